package dev.domus.kernel.cpuid;

import static dev.domus.kernel.engine.CpuState.RAX;
import static dev.domus.kernel.engine.CpuState.RBX;
import static dev.domus.kernel.engine.CpuState.RCX;
import static dev.domus.kernel.engine.CpuState.RDX;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.time.Clock;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The processor that a PV guest sees: an AMD processor with the x86-64 baseline (xen-pv-abi.md, 9.7
 * and 18).
 *
 * <p>The same answer is given natively and through the forced-emulation prefix, so that a guest's
 * kernel and its user space cannot disagree. Shown is what all engines have: no XSAVE, hence no
 * AVX; nothing that a PV guest cannot use (PSE, PGE, APIC, MTRR, PCID, SMEP, SMAP). Leaves out of
 * range are zero.
 */
public final class CpuidPolicy {
  private static final int MAX_BASIC = 0xD, MAX_EXTENDED = 0x80000008;
  private static final int XEN_BASE = 0x40000000, XEN_MAX = 0x40000005;

  /** Family 17h, model 31h, stepping 0. */
  private static final int SIGNATURE = 0x00830F10;

  private static final int CLFLUSH_QUADWORDS = 8 << 8;

  /** FPU, DE, TSC, MSR, PAE, MCE, CX8, MCA, CMOV, PAT, CLFSH, MMX, FXSR, SSE, SSE2. */
  private static final int FEATURES_1_EDX =
      1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 14 | 1 << 15 | 1 << 16
          | 1 << 19 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;

  /** CX16, POPCNT, HYPERVISOR. */
  private static final int FEATURES_1_ECX = 1 << 13 | 1 << 23 | 1 << 31;

  /** FSGSBASE. */
  private static final int FEATURES_7_EBX = 1;

  /** As leaf 1 where AMD repeats it, and SYSCALL, NX, RDTSCP, LM. */
  private static final int FEATURES_80000001_EDX =
      FEATURES_1_EDX & 0x0183_F3FF & ~(1 << 19) | 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29;

  /** LAHF in 64-bit mode. */
  private static final int FEATURES_80000001_ECX = 1;

  private static final int INVARIANT_TSC = 1 << 8;
  private static final int ADDRESS_BITS = 48 << 8 | 46;

  private static final long CR4_FIXED = 0x660;
  private static final long CR4_GUEST = CpuState.CR4_TSD | CpuState.CR4_DE | CpuState.CR4_FSGSBASE;

  private static final int[] VENDOR = words("AuthenticAMD", 3);
  private static final int[] XEN_SIGNATURE = words("XenVMMXenVMM", 3);
  private static final int[] BRAND = words("Domus virtual processor", 12);

  /** Makes the policy. */
  public CpuidPolicy() {}

  /** Answers CPUID in the vCPU's registers. */
  public void answer(Vcpu v, int leaf, int subleaf) {
    if (Integer.compareUnsigned(leaf, MAX_BASIC) <= 0) {
      basic(v, leaf, subleaf);
    } else if ((leaf & 0xFFFF_FF00) == XEN_BASE) {
      xen(v, leaf, subleaf);
    } else if (leaf < 0 && Integer.compareUnsigned(leaf, MAX_EXTENDED) <= 0) {
      extended(v, leaf);
    } else {
      set(v, 0, 0, 0, 0);
    }
  }

  private static void basic(Vcpu v, int leaf, int subleaf) {
    switch (leaf) {
      case 0 -> set(v, MAX_BASIC, VENDOR[0], VENDOR[2], VENDOR[1]);
      case 1 -> set(v, SIGNATURE, CLFLUSH_QUADWORDS, FEATURES_1_ECX, FEATURES_1_EDX);
      case 7 -> set(v, 0, subleaf == 0 ? FEATURES_7_EBX : 0, 0, 0);
      default -> set(v, 0, 0, 0, 0);
    }
  }

  private static void extended(Vcpu v, int leaf) {
    switch (leaf) {
      case 0x80000000 -> set(v, MAX_EXTENDED, VENDOR[0], VENDOR[2], VENDOR[1]);
      case 0x80000001 -> set(v, SIGNATURE, 0, FEATURES_80000001_ECX, FEATURES_80000001_EDX);
      case 0x80000002, 0x80000003, 0x80000004 -> {
        int i = 4 * (leaf - 0x80000002);
        set(v, BRAND[i], BRAND[i + 1], BRAND[i + 2], BRAND[i + 3]);
      }
      case 0x80000007 -> set(v, 0, 0, 0, INVARIANT_TSC);
      case 0x80000008 -> set(v, ADDRESS_BITS, 0, 0, 0);
      default -> set(v, 0, 0, 0, 0);
    }
  }

  private static void xen(Vcpu v, int leaf, int subleaf) {
    switch (leaf) {
      case XEN_BASE -> set(v, XEN_MAX, XEN_SIGNATURE[0], XEN_SIGNATURE[1], XEN_SIGNATURE[2]);
      case XEN_BASE + 1 -> set(v, 4 << 16 | 17, 0, 0, 0);
      case XEN_BASE + 2 -> set(v, 1, XEN_BASE, 1, 0); // one hypercall page; PRESERVE_AD in ECX
      case XEN_BASE + 3 -> time(v, subleaf);
      default -> set(v, 0, 0, 0, 0);
    }
  }

  private static void time(Vcpu v, int subleaf) {
    int kilohertz = (int) (Clock.TSC_HZ / 1000);
    switch (subleaf) {
      case 0 -> set(v, 1 << 1 | 1 << 2, 0, kilohertz, 0); // host TSC reliable, RDTSCP
      case 1 -> set(v, 0, 0, 0x8000_0000, 1);
      case 2 -> set(v, kilohertz, 0, 0, 0);
      default -> set(v, 0, 0, 0, 0);
    }
  }

  /**
   * The CR4 that results when a guest writes a value: its own bits where it may have them, the
   * host's elsewhere.
   */
  public long guestCr4(long written) {
    return CR4_FIXED | written & CR4_GUEST;
  }

  private static void set(Vcpu v, int eax, int ebx, int ecx, int edx) {
    long[] gpr = v.state().gpr;
    gpr[RAX] = eax & 0xFFFF_FFFFL;
    gpr[RBX] = ebx & 0xFFFF_FFFFL;
    gpr[RCX] = ecx & 0xFFFF_FFFFL;
    gpr[RDX] = edx & 0xFFFF_FFFFL;
  }

  private static int[] words(String text, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * count).order(ByteOrder.LITTLE_ENDIAN);
    bytes.put(text.getBytes(StandardCharsets.US_ASCII));
    int[] words = new int[count];
    for (int i = 0; i < count; i++) {
      words[i] = bytes.getInt(4 * i);
    }
    return words;
  }
}

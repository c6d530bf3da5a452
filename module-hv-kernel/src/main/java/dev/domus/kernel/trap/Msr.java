package dev.domus.kernel.trap;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.memory.paging.Pte;

/**
 * The model-specific registers that a PV guest's kernel may use, of an AMD processor without a
 * virtual PMU (xen-pv-abi.md, 9.5). Everything else is #GP(0).
 */
final class Msr {
  private static final int TSC = 0x10,
      APIC_BASE = 0x1B,
      PATCH_LEVEL = 0x8B,
      MCG_CAP = 0x179,
      MCG_STATUS = 0x17A,
      MCG_CTL = 0x17B;
  private static final int P5_MC_ADDR = 0, P5_MC_TYPE = 1, MPERF = 0xE7, APERF = 0xE8;
  private static final int PLATFORM_INFO = 0xCE, MISC_FEATURES_ENABLES = 0x140;

  /**
   * Registers of the machine-check banks that an architecture can have: four each, and their CTL2.
   * As on Xen those of banks that are not there are no fault.
   */
  private static final int MC_FIRST = 0x400,
      MC_LAST = 0x47F,
      MC_CTL2_FIRST = 0x280,
      MC_CTL2_LAST = 0x29F;

  /** Xen's own: the address of a frame in bits 12 and up, the index of a hypercall page below. */
  private static final int HYPERCALL_PAGE = 0x40000000;

  private static final int DEBUGCTL = 0x1D9, PAT = 0x277;
  private static final int EFER = 0xC0000080, FS_BASE = 0xC0000100, GS_BASE = 0xC0000101;
  private static final int KERNEL_GS_BASE = 0xC0000102, TSC_AUX = 0xC0000103;
  private static final int K7_PERF_FIRST = 0xC0010000, K7_PERF_LAST = 0xC0010007, HWCR = 0xC0010015;
  private static final int NB_CFG = 0xC001001F, FID_VID_CTL = 0xC0010041;
  private static final int FID_VID_STATUS = 0xC0010042;
  private static final int PSTATE_LIMIT = 0xC0010061, PSTATE_LAST = 0xC001006B, DE_CFG = 0xC0011029;
  private static final int F15_PERF_FIRST = 0xC0010200, F15_PERF_LAST = 0xC001020B;
  private static final long APIC_BASE_BSP = 0xFEE00900L, APIC_BASE_AP = 0xFEE00800L;
  private static final long EFER_VALUE = 0xD01;
  private static final long PAT_VALUE = 0x0000_0501_0007_0406L;

  /** Two machine-check banks, which never have anything to say. */
  private static final long MCG_CAP_VALUE = 2;

  private static final long CPUID_FAULTING_OFFERED = 1L << 31, CPUID_FAULTING = 1;
  private static final long LFENCE_SERIALISES = 2;

  private Msr() {}

  static boolean readable(int msr) {
    return switch (msr) {
      case TSC, APIC_BASE, PATCH_LEVEL, MCG_CAP, MCG_STATUS, DEBUGCTL, PAT -> true;
      case PLATFORM_INFO, MISC_FEATURES_ENABLES, HYPERCALL_PAGE -> true;
      case MCG_CTL, P5_MC_ADDR, P5_MC_TYPE, NB_CFG, FID_VID_CTL, FID_VID_STATUS -> true;
      case EFER, FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX, HWCR, DE_CFG -> true;
      default ->
          between(msr, K7_PERF_FIRST, K7_PERF_LAST)
              || between(msr, F15_PERF_FIRST, F15_PERF_LAST)
              || between(msr, PSTATE_LIMIT, PSTATE_LAST)
              || isMachineCheckBank(msr);
    };
  }

  static long read(Vcpu v, int msr) {
    CpuState s = v.state();
    return switch (msr) {
      case TSC -> v.tsc();
      case APIC_BASE -> v.id() == 0 ? APIC_BASE_BSP : APIC_BASE_AP;
      case PLATFORM_INFO -> CPUID_FAULTING_OFFERED;
      case MISC_FEATURES_ENABLES -> v.cpuidFaulting() ? CPUID_FAULTING : 0;
      case MCG_CAP -> MCG_CAP_VALUE;
      case PAT -> PAT_VALUE;
      case EFER -> EFER_VALUE;
      case FS_BASE -> s.fsBase;
      case GS_BASE -> s.gsBase;
      case KERNEL_GS_BASE -> v.inactiveGsBase();
      case TSC_AUX -> s.tscAux & 0xFFFF_FFFFL;
      case DE_CFG -> LFENCE_SERIALISES;
      default -> 0;
    };
  }

  /** Writes an MSR; false if that is #GP(0). */
  static boolean write(Vcpu v, int msr, long value) {
    CpuState s = v.state();
    switch (msr) {
      case FS_BASE, GS_BASE, KERNEL_GS_BASE -> {
        if (!Pte.isCanonical(value)) { // XSA-193
          return false;
        }
        if (msr == FS_BASE) {
          s.fsBase = value;
        } else if (msr == GS_BASE) {
          s.gsBase = value;
        } else {
          v.setInactiveGsBase(value);
        }
        return true;
      }
      case TSC_AUX -> {
        if (value >>> 32 != 0) {
          return false;
        }
        s.tscAux = (int) value;
        return true;
      }
      case EFER -> {
        return value == EFER_VALUE;
      }
      case DE_CFG, DEBUGCTL -> {
        return msr == DE_CFG || value == 0;
      }
      case HYPERCALL_PAGE -> {
        return (value & 0xFFF) == 0
            && v.domain().mmu().machine().writeHypercallPage(v.domain().domid(), value >>> 12);
      }
      case MISC_FEATURES_ENABLES -> {
        if ((value & ~CPUID_FAULTING) != 0) {
          return false;
        }
        v.setCpuidFaulting(value != 0);
        return true;
      }
      case HWCR, NB_CFG, FID_VID_CTL, FID_VID_STATUS, MPERF, APERF -> {
        return true; // the host's: nothing happens, as on Xen
      }
      case MCG_CAP, MCG_STATUS, MCG_CTL -> {
        return true;
      }
      default -> {
        return between(msr, PSTATE_LIMIT, PSTATE_LAST)
            || between(msr, K7_PERF_FIRST, K7_PERF_LAST)
            || between(msr, F15_PERF_FIRST, F15_PERF_LAST)
            || isMachineCheckBank(msr);
      }
    }
  }

  private static boolean isMachineCheckBank(int msr) {
    return between(msr, MC_FIRST, MC_LAST) || between(msr, MC_CTL2_FIRST, MC_CTL2_LAST);
  }

  private static boolean between(int msr, int first, int last) {
    return msr >= first && msr <= last;
  }
}

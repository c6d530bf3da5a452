package dev.domus.kernel.domain;

import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.trap.Vector;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What a vCPU looked like when it crashed its domain: registers, the code bytes around RIP with the
 * instruction at RIP in angle brackets, the page-table path of the faulting address and of RIP, and
 * the top of the stack.
 */
final class CrashReport {
  private static final String[] NAMES = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8 ", "r9 ", "r10", "r11", "r12",
    "r13", "r14", "r15"
  };
  private static final int[] ORDER = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};
  private static final int CODE_BEFORE = 20, CODE_AFTER = 28;
  private static final int STACK_WORDS = 24;

  private final Vcpu vcpu;
  private final CpuState s;
  private final MemorySegment memory;
  private final StringBuilder out = new StringBuilder();

  private CrashReport(Vcpu vcpu) {
    this.vcpu = vcpu;
    s = vcpu.state();
    memory = vcpu.domain().hypervisor().memory();
  }

  /**
   * Writes the report. Called by the vCPU's thread, after the exit that crashed it.
   *
   * @param bug the Java exception behind it, or null
   */
  static String of(Vcpu vcpu, String why, Throwable bug) {
    CrashReport report = new CrashReport(vcpu);
    report.write(why, bug);
    return report.out.toString();
  }

  private void write(String why, Throwable bug) {
    out.append("Domain ").append(vcpu.domain().domid()).append(" (vcpu#").append(vcpu.id());
    out.append(") crashed: ").append(why).append('\n');
    line(
        "RIP:    %04x:[<%016x>]   %s",
        s.cs, s.rip, vcpu.kernelMode() ? "guest kernel" : "guest user");
    line("RFLAGS: %016x   virtual events %s", s.rflags, vcpu.upcallMask() == 0 ? "on" : "masked");
    for (int i = 0; i < 16; i += 3) {
      for (int j = i; j < Math.min(16, i + 3); j++) {
        out.append(
            String.format("%s%s: %016x", j == i ? "" : "   ", NAMES[ORDER[j]], s.gpr[ORDER[j]]));
      }
      out.append('\n');
    }
    line("cr0: %016x   cr4: %016x   cr3: %016x   cr2: %016x", s.cr0, s.cr4, s.cr3, s.exitAddress);
    line("fsb: %016x   gsb: %016x   gss: %016x", s.fsBase, s.gsBase, vcpu.inactiveGsBase());
    line(
        "ds: %04x   es: %04x   fs: %04x   gs: %04x   ss: %04x   cs: %04x",
        s.ds, s.es, s.fs, s.gs, s.ss, s.cs);
    line("last exception: %s, error code 0x%x", Vector.name(s.exitVector), s.exitErrorCode);
    line("instructions retired: %d", s.retired);
    code();
    path("RIP", s.rip);
    if (s.exitVector == Vector.PF) {
      path("the faulting address", s.exitAddress);
    }
    stack();
    if (bug != null) {
      StringWriter trace = new StringWriter();
      bug.printStackTrace(new PrintWriter(trace));
      out.append("This is a fault of Domus, not of the guest:\n").append(trace);
    }
  }

  private void line(String format, Object... arguments) {
    out.append(String.format(format, arguments)).append('\n');
  }

  private int byteAt(long va) {
    long translation = Pte.isCanonical(va) ? PageWalk.walk(memory, s.cr3, va, 0) : -1;
    return translation < 0
        ? -1
        : memory.get(ValueLayout.JAVA_BYTE, PageWalk.frameAddress(translation) | va & 0xFFF) & 0xFF;
  }

  private void code() {
    out.append("Code:");
    for (int i = -CODE_BEFORE; i < CODE_AFTER; i++) {
      int b = byteAt(s.rip + i);
      String text = b < 0 ? "??" : String.format("%02x", b);
      out.append(i == 0 ? " <" + text + ">" : " " + text);
    }
    out.append('\n');
    line("Instruction: %s", vcpu.instructionAt(s.rip));
  }

  private void path(String what, long va) {
    line("Page-table path of %s, 0x%016x:", what, va);
    if (!Pte.isCanonical(va)) {
      line("  not canonical");
      return;
    }
    long table = s.cr3 & Pte.ADDRESS_MASK;
    for (int level = 4; level >= 1; level--) {
      if (table >= memory.byteSize()) {
        line("  L%d: no such frame", level);
        return;
      }
      long entry = memory.get(ValueLayout.JAVA_LONG, table + 8L * Pte.index(va, level));
      line("  L%d[%3d] = %016x  %s", level, Pte.index(va, level), entry, flags(entry));
      if ((entry & Pte.P) == 0) {
        return;
      }
      table = entry & Pte.ADDRESS_MASK;
    }
  }

  private static String flags(long entry) {
    if ((entry & Pte.P) == 0) {
      return "not present";
    }
    return "mfn 0x"
        + Long.toHexString(Pte.mfn(entry))
        + ((entry & Pte.W) != 0 ? " writable" : " read-only")
        + ((entry & Pte.U) != 0 ? "" : " supervisor")
        + ((entry & Pte.NX) != 0 ? " no-execute" : "")
        + ((entry & Pte.A) != 0 ? " accessed" : "")
        + ((entry & Pte.D) != 0 ? " dirty" : "");
  }

  private void stack() {
    long rsp = s.gpr[CpuState.RSP];
    line("Stack from rsp=0x%016x:", rsp);
    for (int i = 0; i < STACK_WORDS; i++) {
      long word = 0;
      for (int b = 7; b >= 0; b--) {
        int value = byteAt(rsp + 8L * i + b);
        if (value < 0) {
          line("%s  not mapped beyond 0x%x", i % 4 == 0 ? "" : "\n", rsp + 8L * i);
          return;
        }
        word = word << 8 | value;
      }
      out.append(String.format(i % 4 == 3 ? " %016x\n" : " %016x", word));
    }
  }
}

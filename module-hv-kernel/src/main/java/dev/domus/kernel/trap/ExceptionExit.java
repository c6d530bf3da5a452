package dev.domus.kernel.trap;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.mmu.WritablePageTables;

/**
 * The guest caused an exception. In this order: what the hypervisor itself has to resolve (stores
 * to page tables, INT n through a virtual gate, emulated instructions, the forced-emulation
 * prefix), and then the guest's own handler.
 */
public final class ExceptionExit {
  private static final int IDT = 2;
  private static final int EXTERNAL = 1;
  private static final int LDT = 4;
  private static final int INT_LENGTH = 2;
  private static final long DR6_STATUS = 0xE00F;

  private final Vcpu vcpu;
  private final WritablePageTables writableTables;
  private final PrivilegedInstruction privileged;

  /** Makes the handler of one vCPU. */
  public ExceptionExit(Vcpu vcpu, WritablePageTables writableTables) {
    this.vcpu = vcpu;
    this.writableTables = writableTables;
    privileged = new PrivilegedInstruction(vcpu);
  }

  /** Handles the exit. */
  public void handle() {
    CpuState s = vcpu.state();
    int vector = s.exitVector;
    traceFault(s);
    switch (vector) {
      case Vector.PF -> pageFault(s.exitAddress, s.exitErrorCode);
      case Vector.NP, Vector.SS -> {
        if (!attachesLdt(s.exitErrorCode)) {
          Bounce.exception(vcpu, vector, s.exitErrorCode);
        }
      }
      case Vector.GP -> generalProtection(s.exitErrorCode);
      case Vector.UD -> {
        if (!privileged.forcedCpuid()) {
          Bounce.exception(vcpu, Vector.UD, 0);
        }
      }
      case Vector.NM -> {
        s.cr0 &= ~CpuState.CR0_TS;
        Bounce.exception(vcpu, Vector.NM, 0);
      }
      case Vector.DB -> {
        s.dr[6] |= s.exitDebugStatus & DR6_STATUS;
        Bounce.exception(vcpu, Vector.DB, 0);
      }
      default -> Bounce.exception(vcpu, vector, s.exitErrorCode);
    }
  }

  private void traceFault(CpuState s) {
    long address = s.exitVector == Vector.PF ? s.exitAddress : s.rip;
    vcpu.tracer().fault(vcpu.domain().domid(), vcpu.id(), s.exitVector, address, s.exitErrorCode);
  }

  private void pageFault(long address, int errorCode) {
    switch (writableTables.store(address, errorCode)) {
      case CONTINUE -> {}
      case OTHER_EXCEPTION -> handle(); // not #PF, so this does not come here again
      case PAGE_FAULT -> Bounce.pageFault(vcpu, address, errorCode);
    }
  }

  /** #GP: INT n through a gate of DPL 0, a privileged instruction, or the guest's own mistake. */
  private void generalProtection(int errorCode) {
    if ((errorCode & (IDT | EXTERNAL)) == IDT) {
      int vector = errorCode >>> 3 & 0xFF;
      TrapState traps = vcpu.traps();
      if (traps.address(vector) != 0 && traps.dpl(vector) >= VmAssist.cpl(vcpu)) {
        vcpu.state().rip += INT_LENGTH;
        Bounce.exception(vcpu, vector, -1);
        return;
      }
    } else if (errorCode == 0 ? privileged.emulate() : attachesLdt(errorCode)) {
      return;
    }
    Bounce.exception(vcpu, Vector.GP, errorCode);
  }

  /**
   * A selector of the LDT faulted because its page had not been attached yet: the instruction is
   * tried again.
   */
  private boolean attachesLdt(int errorCode) {
    return (errorCode & (IDT | LDT)) == LDT
        && vcpu.domain().mmu().attachLdt(vcpu, errorCode & 0xFFFF);
  }
}

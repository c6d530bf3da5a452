package dev.domus.kernel.hypercall;

import static dev.domus.kernel.engine.CpuState.R10;
import static dev.domus.kernel.engine.CpuState.R8;
import static dev.domus.kernel.engine.CpuState.RAX;
import static dev.domus.kernel.engine.CpuState.RDI;
import static dev.domus.kernel.engine.CpuState.RDX;
import static dev.domus.kernel.engine.CpuState.RSI;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.event.EventChannelOp;
import dev.domus.kernel.grant.GrantTableOp;
import dev.domus.kernel.memory.MemoryOp;
import dev.domus.kernel.mmu.GrantPtes;
import dev.domus.kernel.mmu.MmuUpdate;
import dev.domus.kernel.mmu.MmuextOp;
import dev.domus.kernel.mmu.SetGdt;
import dev.domus.kernel.mmu.UpdateDescriptor;
import dev.domus.kernel.mmu.UpdateVaMapping;
import dev.domus.kernel.plugin.Host.HypercallInfo;
import dev.domus.kernel.trap.Iret;
import java.util.ArrayList;
import java.util.List;

/**
 * The hypercalls by number. A number without an entry answers −ENOSYS, and the caller's counters
 * keep the fact: nothing is silently accepted. The one place to touch when a hypercall is added.
 */
public final class HypercallTable {
  private static final int SYSCALL_LENGTH = 2;

  private final Hypercall[] table = new Hypercall[HypercallNumber.LIMIT];

  /** Makes the table. */
  public HypercallTable() {
    table[HypercallNumber.SET_TRAP_TABLE] = new SetTrapTable();
    table[HypercallNumber.MMU_UPDATE] = new MmuUpdate();
    table[HypercallNumber.SET_GDT] = new SetGdt();
    table[HypercallNumber.STACK_SWITCH] = Registers::stackSwitch;
    table[HypercallNumber.SET_CALLBACKS] = CallbackOp::setCallbacks;
    table[HypercallNumber.FPU_TASKSWITCH] = Registers::fpuTaskswitch;
    table[HypercallNumber.SCHED_OP_COMPAT] = SchedOp::compat;
    table[HypercallNumber.PLATFORM_OP] = Privileged::platformOp;
    table[HypercallNumber.SET_DEBUGREG] = Registers::setDebugreg;
    table[HypercallNumber.GET_DEBUGREG] = Registers::getDebugreg;
    table[HypercallNumber.UPDATE_DESCRIPTOR] = new UpdateDescriptor();
    table[HypercallNumber.MEMORY_OP] = new MemoryOp();
    table[HypercallNumber.MULTICALL] = new Multicall(this);
    table[HypercallNumber.UPDATE_VA_MAPPING] = UpdateVaMapping.ownFrames();
    table[HypercallNumber.SET_TIMER_OP] = VcpuOp::setTimerOp;
    table[HypercallNumber.XEN_VERSION] = new XenVersion();
    table[HypercallNumber.CONSOLE_IO] = new ConsoleIo();
    table[HypercallNumber.GRANT_TABLE_OP] = new GrantTableOp(new GrantPtes());
    table[HypercallNumber.VM_ASSIST] = Registers::vmAssist;
    table[HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN] = UpdateVaMapping.otherDomainsFrames();
    table[HypercallNumber.IRET] = new Iret();
    table[HypercallNumber.VCPU_OP] = new VcpuOp();
    table[HypercallNumber.SET_SEGMENT_BASE] = Registers::setSegmentBase;
    table[HypercallNumber.MMUEXT_OP] = new MmuextOp();
    table[HypercallNumber.NMI_OP] = CallbackOp::nmiOp;
    table[HypercallNumber.SCHED_OP] = new SchedOp();
    table[HypercallNumber.CALLBACK_OP] = new CallbackOp();
    table[HypercallNumber.EVENT_CHANNEL_OP] = new EventChannelOp();
    table[HypercallNumber.PHYSDEV_OP] = new PhysdevOp();
    table[HypercallNumber.SYSCTL] = Privileged::sysctl;
    table[HypercallNumber.DOMCTL] = Privileged::domctl;
    table[HypercallNumber.XENPMU_OP] = Privileged::xenpmuOp;
    table[HypercallNumber.MCA] = Privileged::mca;
  }

  /** Carries out the hypercall that a vCPU has just made by SYSCALL, and sets its RAX. */
  public void dispatch(Vcpu v) {
    long[] gpr = v.state().gpr;
    int number = (int) gpr[RAX];
    long a1 = gpr[RDI];
    long result = call(v, number, a1, gpr[RSI], gpr[RDX], gpr[R10], gpr[R8]);
    if (result == Hypercall.CONTINUE) {
      gpr[RDI] = v.continuation().first();
      gpr[RSI] = v.continuation().second();
      gpr[RDX] = v.continuation().third(gpr[RDX]);
      v.state().rip -= SYSCALL_LENGTH; // RAX still holds the number
    } else if (number != HypercallNumber.IRET) {
      gpr[RAX] = result;
    }
  }

  /** Carries out one hypercall. The result of iret means nothing: it has set RAX by itself. */
  long call(Vcpu v, int number, long a1, long a2, long a3, long a4, long a5) {
    long result;
    Hypercall hypercall = number >= 0 && number < table.length ? table[number] : null;
    if (hypercall == null) {
      result = -Errno.ENOSYS;
    } else {
      try {
        result = hypercall.call(v, a1, a2, a3, a4, a5);
      } catch (GuestFault fault) {
        result = -fault.errno();
      }
    }
    v.domain().counters().count(number, a1, result);
    return result;
  }

  /** What is there and what is not. */
  public List<HypercallInfo> list() {
    List<HypercallInfo> infos = new ArrayList<>();
    for (int number = 0; number < table.length; number++) {
      String name = HypercallNumber.name(number);
      if (!name.equals(Integer.toString(number))) {
        infos.add(new HypercallInfo(number, name, table[number] != null));
      }
    }
    return infos;
  }
}

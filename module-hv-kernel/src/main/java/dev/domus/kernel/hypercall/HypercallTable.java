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
import dev.domus.kernel.domctl.DomctlOp;
import dev.domus.kernel.domctl.SysctlOp;
import dev.domus.kernel.event.EventChannelOp;
import dev.domus.kernel.grant.GrantTableOp;
import dev.domus.kernel.memory.MemoryOp;
import dev.domus.kernel.mmu.MmuUpdate;
import dev.domus.kernel.mmu.MmuextOp;
import dev.domus.kernel.mmu.SetGdt;
import dev.domus.kernel.mmu.UpdateDescriptor;
import dev.domus.kernel.mmu.UpdateVaMapping;
import dev.domus.kernel.plugin.Host.HypercallInfo;
import dev.domus.kernel.trace.ring.Tracer;
import dev.domus.kernel.trap.Iret;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The hypercalls by number. A number without an entry answers −ENOSYS, and the caller's counters
 * keep the fact: nothing is silently accepted. The one place to touch when a hypercall is added.
 */
public final class HypercallTable {
  private static final int SYSCALL_LENGTH = 2;

  private final Hypercall[] table = new Hypercall[HypercallNumber.LIMIT];

  /** By number: which bits of the first argument are a command; 0 for none. */
  private final int[] commandMasks = new int[HypercallNumber.LIMIT];

  /** Makes the table. */
  public HypercallTable() {
    table[HypercallNumber.SET_TRAP_TABLE] = new SetTrapTable();
    table[HypercallNumber.MMU_UPDATE] = new MmuUpdate();
    table[HypercallNumber.SET_GDT] = new SetGdt();
    table[HypercallNumber.STACK_SWITCH] = Registers::stackSwitch;
    table[HypercallNumber.SET_CALLBACKS] = CallbackOp::setCallbacks;
    table[HypercallNumber.FPU_TASKSWITCH] = Registers::fpuTaskswitch;
    table[HypercallNumber.SCHED_OP_COMPAT] = described(SchedOp::compat, SchedOp.COMPAT);
    table[HypercallNumber.PLATFORM_OP] = new PlatformOp();
    table[HypercallNumber.SET_DEBUGREG] = Registers::setDebugreg;
    table[HypercallNumber.GET_DEBUGREG] = Registers::getDebugreg;
    table[HypercallNumber.UPDATE_DESCRIPTOR] = new UpdateDescriptor();
    table[HypercallNumber.MEMORY_OP] = new MemoryOp();
    table[HypercallNumber.MULTICALL] = new Multicall(this);
    table[HypercallNumber.UPDATE_VA_MAPPING] = UpdateVaMapping.ownFrames();
    table[HypercallNumber.SET_TIMER_OP] = VcpuOp::setTimerOp;
    table[HypercallNumber.XEN_VERSION] = new XenVersion();
    table[HypercallNumber.CONSOLE_IO] = new ConsoleIo();
    table[HypercallNumber.GRANT_TABLE_OP] = new GrantTableOp();
    table[HypercallNumber.VM_ASSIST] = described(Registers::vmAssist, Registers.VM_ASSIST);
    table[HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN] = UpdateVaMapping.otherDomainsFrames();
    table[HypercallNumber.IRET] = new Iret();
    table[HypercallNumber.VCPU_OP] = new VcpuOp();
    table[HypercallNumber.SET_SEGMENT_BASE] =
        described(Registers::setSegmentBase, Registers.SEGMENT_BASE);
    table[HypercallNumber.MMUEXT_OP] = new MmuextOp();
    table[HypercallNumber.NMI_OP] = described(CallbackOp::nmiOp, CallbackOp.NMI_OP);
    table[HypercallNumber.SCHED_OP] = new SchedOp();
    table[HypercallNumber.CALLBACK_OP] = new CallbackOp();
    table[HypercallNumber.EVENT_CHANNEL_OP] = new EventChannelOp();
    table[HypercallNumber.PHYSDEV_OP] = new PhysdevOp();
    table[HypercallNumber.SYSCTL] = new SysctlOp();
    table[HypercallNumber.DOMCTL] = new DomctlOp();
    table[HypercallNumber.XENPMU_OP] = Refusal.of(Errno.EOPNOTSUPP, "there is no virtual PMU");
    table[HypercallNumber.MCA] =
        Refusal.of(Errno.EPERM, "machine checks are the hypervisor's business");
    table[HypercallNumber.EVENT_CHANNEL_OP_COMPAT] =
        CompatOp.of(table[HypercallNumber.EVENT_CHANNEL_OP], 4, 0, 9);
    table[HypercallNumber.PHYSDEV_OP_COMPAT] =
        CompatOp.of(table[HypercallNumber.PHYSDEV_OP], 8, 5, 10);
    refuse(HypercallNumber.XSM_OP, "access is decided by plugins, not by FLASK policies");
    refuse(HypercallNumber.XENOPROF_OP, "there is no profiling of the processor");
    refuse(HypercallNumber.HVM_OP, "there are no HVM domains");
    refuse(HypercallNumber.KEXEC_OP, "there is no machine to boot anew");
    refuse(HypercallNumber.TMEM_OP, "gone from Xen since 4.13");
    refuse(HypercallNumber.ARGO_OP, "not built in, as by default in Xen");
    refuse(HypercallNumber.DM_OP, "there are no device models");
    refuse(HypercallNumber.HYPFS_OP, "there is no hypervisor file system");
    for (int number = 0; number < table.length; number++) {
      Hypercall hypercall = table[number];
      if (hypercall != null && hypercall.subops().selector() == Subops.Selector.ARGUMENT) {
        commandMasks[number] = hypercall.subops().mask();
      }
    }
  }

  private void refuse(int number, String why) {
    table[number] = Refusal.of(Errno.ENOSYS, why);
  }

  private static Hypercall described(Hypercall hypercall, Subops subops) {
    return hypercall.with(subops);
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

  /**
   * Carries out one hypercall; a guest's vCPU comes here by {@link #dispatch}, a service domain's
   * caller directly. The result of iret means nothing: it has set RAX by itself.
   *
   * @return as {@link Hypercall#call}; a fault is its error number
   */
  public long call(Vcpu v, int number, long a1, long a2, long a3, long a4, long a5) {
    long began = v.tracer().beforeHypercall();
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
    traceReturn(v, began, number, a1, result);
    return result;
  }

  private void traceReturn(Vcpu v, long began, int number, long a1, long result) {
    if (began != Tracer.OFF) {
      int command = number >= 0 && number < table.length ? (int) a1 & commandMasks[number] : 0;
      v.tracer().hypercall(began, v.domain().domid(), v.id(), number, command, result);
    }
  }

  /** Which bits of a hypercall's first argument are a command; 0 for none. */
  int commandMask(int number) {
    return commandMasks[number];
  }

  /** What there is of a hypercall, if there is anything. */
  public Optional<Subops> subops(int number) {
    return Optional.ofNullable(table[number]).map(Hypercall::subops);
  }

  /** Every hypercall and sub-operation, in the order of their numbers. */
  public List<HypercallInfo> list() {
    List<HypercallInfo> infos = new ArrayList<>();
    for (int number = 0; number < table.length; number++) {
      String name = HypercallNumber.name(number);
      if (table[number] != null) {
        boolean commands = table[number].subops().selector() != Subops.Selector.NONE;
        for (Subops.Subop subop : table[number].subops().list()) {
          OptionalInt command = commands ? OptionalInt.of(subop.command()) : OptionalInt.empty();
          infos.add(
              new HypercallInfo(
                  number, name, command, subop.name(), state(subop.state()), subop.why()));
        }
      } else if (!name.equals(Integer.toString(number))) {
        infos.add(
            new HypercallInfo(
                number, name, OptionalInt.empty(), "", state(Subops.State.ABSENT), "not built"));
      }
    }
    return infos;
  }

  private static String state(Subops.State state) {
    return state.name().toLowerCase(Locale.ROOT);
  }
}

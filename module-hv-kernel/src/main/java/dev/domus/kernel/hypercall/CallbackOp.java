package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.trap.TrapState;
import dev.domus.memory.paging.Pte;

/**
 * callback_op (30), and its older forms set_callbacks (4) and nmi_op (28): where events, NMIs and
 * system calls enter the guest kernel (xen-pv-abi.md, 8.2).
 *
 * <pre>
 *   callback_register: u16 type@0, u16 flags@2 (bit 0 mask events), u64 address@8
 * </pre>
 */
final class CallbackOp implements Hypercall {
  private static final int REGISTER = 0, UNREGISTER = 1;
  private static final int MASK_EVENTS = 1;

  private static final Subops SUBOPS =
      Subops.byArgument().done(REGISTER, "register").done(UNREGISTER, "unregister");

  /** What there is of nmi_op. */
  static final Subops NMI_OP =
      Subops.byArgument()
          .done(REGISTER, "register_callback")
          .done(UNREGISTER, "unregister_callback");

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case REGISTER -> register(v, arg);
      case UNREGISTER -> unregister(v, arg);
      default -> -Errno.ENOSYS;
    };
  }

  private static long register(Vcpu v, long arg) {
    int head = v.guest().getInt(arg);
    long address = v.guest().getLong(arg + 8);
    return Pte.isCanonical(address)
        ? v.traps().setCallback(head & 0xFFFF, address, (head >>> 16 & MASK_EVENTS) != 0)
        : -Errno.EINVAL;
  }

  private static long unregister(Vcpu v, long arg) {
    int type = v.guest().getShort(arg);
    return switch (type) {
      case TrapState.CALLBACK_NMI -> v.traps().setCallback(type, 0, false);
      case TrapState.CALLBACK_EVENT,
          TrapState.CALLBACK_FAILSAFE,
          TrapState.CALLBACK_SYSCALL,
          TrapState.CALLBACK_SYSENTER,
          TrapState.CALLBACK_SYSCALL32 ->
          -Errno.EINVAL;
      default -> -Errno.ENOSYS;
    };
  }

  static long setCallbacks(Vcpu v, long event, long failsafe, long syscall, long a4, long a5) {
    v.traps().setCallbacks(event, failsafe, syscall);
    return 0;
  }

  static long nmiOp(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case REGISTER -> {
        long address = v.guest().getLong(arg);
        yield Pte.isCanonical(address)
            ? v.traps().setCallback(TrapState.CALLBACK_NMI, address, false)
            : -Errno.EINVAL;
      }
      case UNREGISTER -> v.traps().setCallback(TrapState.CALLBACK_NMI, 0, false);
      default -> -Errno.ENOSYS;
    };
  }
}

package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.domain.VcpuContext;
import dev.domus.kernel.domain.VcpuInfoPage;
import dev.domus.kernel.mmu.TableWork;

/** vcpu_op (24) and set_timer_op (15) (xen-pv-abi.md, 11.2 and 11.3). */
final class VcpuOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(0, "initialise")
          .done(1, "up")
          .done(2, "down")
          .done(3, "is_up")
          .done(4, "get_runstate_info")
          .done(5, "register_runstate_memory_area")
          .done(6, "set_periodic_timer")
          .done(7, "stop_periodic_timer")
          .done(8, "set_singleshot_timer")
          .done(9, "stop_singleshot_timer")
          .done(10, "register_vcpu_info")
          .done(11, "send_nmi")
          .refused(12, "get_physid", "vCPUs are not pinned to processors")
          .done(13, "register_vcpu_time_memory_area");

  private static final long MIN_PERIOD_NANOS = 1_000_000;
  private static final long MAX_PERIOD_NANOS = 1L << 62;
  private static final long FAR_FUTURE_NANOS = 1L << 50;
  private static final long LONG_TIMEOUT_NANOS = 100_000_000;
  private static final int ONLY_FUTURE = 1;

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long id, long arg, long a4, long a5) {
    Vcpu target = v.domain().vcpu((int) id);
    if (target == null) {
      return -Errno.ENOENT;
    }
    return switch ((int) command) {
      case 0 -> {
        long result = VcpuContext.initialise(v, target, arg);
        if (result == TableWork.RESTART) {
          v.continuation().leave(command, id);
          yield CONTINUE;
        }
        yield result;
      }
      case 1 -> up(target);
      case 2 -> down(v, target);
      case 3 -> target.online() ? 1 : 0;
      case 4 -> {
        target.runstate().copyTo(v, arg);
        yield 0;
      }
      case 5 -> target.runstate().register(v, v.guest().getLong(arg));
      case 6 -> setPeriodicTimer(v, target, arg);
      case 7 -> stopPeriodicTimer(v, target);
      case 8 -> setSingleShotTimer(v, target, arg);
      case 9 -> stopSingleShotTimer(v, target);
      case 10 -> VcpuInfoPage.register(v, target, arg);
      case 11 -> sendNmi(target, arg);
      case 12 -> -Errno.EINVAL;
      case 13 -> target.timeArea().register(v, v.guest().getLong(arg));
      default -> -Errno.ENOSYS;
    };
  }

  private static long up(Vcpu target) {
    if (!target.initialised()) {
      return -Errno.EINVAL;
    }
    if (!target.online()) {
      target.up();
    }
    return 0;
  }

  private static long down(Vcpu v, Vcpu target) {
    if (target.online()) {
      target.down();
      if (v.domain().onlineVcpus() == 0) {
        v.domain().shutdown(DomainInfo.POWEROFF);
      }
    }
    return 0;
  }

  private static long setPeriodicTimer(Vcpu v, Vcpu target, long arg) {
    long period = v.guest().getLong(arg);
    if (period < MIN_PERIOD_NANOS || period >= MAX_PERIOD_NANOS) { // negative: beyond, too
      return -Errno.EINVAL;
    }
    target.timers().setPeriod(period);
    return 0;
  }

  private static long stopPeriodicTimer(Vcpu v, Vcpu target) {
    target.timers().setPeriod(0);
    return 0;
  }

  private static long setSingleShotTimer(Vcpu v, Vcpu target, long arg) {
    if (target != v) {
      return -Errno.EINVAL;
    }
    long deadline = v.guest().getLong(arg);
    int flags = v.guest().getInt(arg + 8);
    if ((flags & ONLY_FUTURE) != 0 && deadline < v.domain().hypervisor().clock().systemNanos()) {
      return -Errno.ETIME;
    }
    v.timers().armSingleShot(deadline);
    return 0;
  }

  private static long stopSingleShotTimer(Vcpu v, Vcpu target) {
    if (target != v) {
      return -Errno.EINVAL;
    }
    v.timers().disarmSingleShot();
    return 0;
  }

  private static long sendNmi(Vcpu target, long arg) {
    if (arg != 0) {
      return -Errno.EINVAL;
    }
    target.sendNmi();
    return 0;
  }

  static long setTimerOp(Vcpu v, long timeout, long a2, long a3, long a4, long a5) {
    if (timeout == 0) {
      v.timers().disarmSingleShot();
      return 0;
    }
    long now = v.domain().hypervisor().clock().systemNanos();
    boolean nonsense = timeout < 0 || timeout - now > FAR_FUTURE_NANOS;
    v.timers().armSingleShot(nonsense ? now + LONG_TIMEOUT_NANOS : timeout);
    return 0;
  }
}

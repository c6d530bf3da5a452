package dev.domus.kernel.hypercall;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Runner.SliceEnd;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.PolledPorts;
import dev.domus.kernel.domain.Vcpu;

/**
 * sched_op (29) and its older form (6) (xen-pv-abi.md, 11.1).
 *
 * <p><b>Sleeping without losing a wake-up.</b> A notifier first makes its event visible in guest
 * memory and then wakes the vCPU. A sleeper first says that it is about to sleep ({@code
 * prepareToBlock}), then looks whether its event is there, then ends its slice. Whichever way the
 * two interleave, either the sleeper sees the event or the dispatcher sees the wake-up.
 */
final class SchedOp implements Hypercall {
  private static final int YIELD = 0,
      BLOCK = 1,
      SHUTDOWN = 2,
      POLL = 3,
      REMOTE_SHUTDOWN = 4,
      SHUTDOWN_CODE = 5;
  private static final int WATCHDOG = 6, PIN_OVERRIDE = 7;

  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(YIELD, "yield")
          .done(BLOCK, "block")
          .done(SHUTDOWN, "shutdown")
          .done(POLL, "poll")
          .done(REMOTE_SHUTDOWN, "remote_shutdown")
          .done(SHUTDOWN_CODE, "shutdown_code")
          .done(WATCHDOG, "watchdog")
          .refused(PIN_OVERRIDE, "pin_override", "for the hardware domain");

  /** What there is of the older form. */
  static final Subops COMPAT =
      Subops.byArgument().done(YIELD, "yield").done(BLOCK, "block").done(SHUTDOWN, "shutdown");

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case YIELD -> yieldSlice(v);
      case BLOCK -> block(v);
      case SHUTDOWN -> shutdown(v, v.guest().getInt(arg));
      case POLL -> poll(v, arg);
      case REMOTE_SHUTDOWN -> remoteShutdown(v, arg);
      case SHUTDOWN_CODE -> {
        v.domain().presetShutdownReason(v.guest().getInt(arg));
        yield 0;
      }
      case WATCHDOG -> v.domain().watchdogs().set(v.guest().getInt(arg), v.guest().getInt(arg + 4));
      case PIN_OVERRIDE -> -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  static long compat(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case YIELD -> yieldSlice(v);
      case BLOCK -> block(v);
      case SHUTDOWN -> shutdown(v, (int) arg);
      default -> -Errno.ENOSYS;
    };
  }

  private static long yieldSlice(Vcpu v) {
    v.endSlice(SliceEnd.YIELDED);
    return 0;
  }

  private static long block(Vcpu v) {
    v.setUpcallMask(0);
    v.unit().prepareToBlock();
    if (!v.eventDeliverable()) {
      v.endSlice(SliceEnd.BLOCKED);
    }
    return 0;
  }

  private static long shutdown(Vcpu v, int reason) {
    if (!DomainInfo.isReason(reason) || reason == DomainInfo.CRASH) {
      v.domain()
          .crash(v, "the guest asked for shutdown with reason " + reason + " (3 is crash)", null);
    } else {
      v.domain().shutdown(reason);
    }
    return 0;
  }

  private static long poll(Vcpu v, long arg) {
    long ports = v.guest().getLong(arg);
    int count = v.guest().getInt(arg + 8);
    long timeout = v.guest().getLong(arg + 16);
    if (count < 0 || count > PolledPorts.MAX) {
      return -Errno.EINVAL;
    }
    if (!GuestAccess.addressOk(ports, 4L * count)) {
      return -Errno.EFAULT;
    }
    int readable = readPorts(v, ports, count);
    v.unit().prepareToBlock();
    v.polledPorts().start(readable);
    if (v.eventDeliverable()) { // before the ports are looked at, whatever is wrong with them
      v.polledPorts().stop();
      return 0;
    }
    for (int i = 0; i < count; i++) {
      if (i == readable) { // none of those before it is pending
        v.polledPorts().stop();
        return -Errno.EFAULT;
      }
      boolean bound = v.domain().events().isBound(v.polledPorts().get(i));
      if (!bound || v.domain().events().isPending(v.polledPorts().get(i))) {
        v.polledPorts().stop();
        return bound ? 0 : -Errno.EINVAL;
      }
    }
    if (timeout != 0) {
      v.timers().armPollTimeout(timeout);
    }
    v.endSlice(SliceEnd.BLOCKED);
    return 0;
  }

  /** Copies the ports of a poll; returns how many could be read. */
  private static int readPorts(Vcpu v, long ports, int count) {
    for (int i = 0; i < count; i++) {
      try {
        v.polledPorts().set(i, v.guest().getInt(ports + 4L * i));
      } catch (GuestFault unreadable) {
        return i;
      }
    }
    return count;
  }

  private static long remoteShutdown(Vcpu v, long arg) {
    int domid = v.guest().getShort(arg);
    int reason = v.guest().getInt(arg + 4);
    Hypervisor hypervisor = v.domain().hypervisor();
    Domain target = hypervisor.anyDomain(domid);
    if (target == null) {
      return -Errno.ESRCH;
    }
    if (target == v.domain() || domid == 0) { // domain 0 goes with the machine
      return -Errno.EPERM;
    }
    int refusal =
        hypervisor
            .access()
            .check(Operation.REMOTE_SHUTDOWN, v.domain().domid(), domid, reason & 0xFFFF_FFFFL);
    if (refusal == 0) {
      target.shutdown(DomainInfo.isReason(reason) ? reason : DomainInfo.CRASH);
    }
    return refusal;
  }
}

package dev.domus.kernel.event;

import static dev.domus.kernel.abi.EventChannelLayout.*;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.FifoLayout;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.service.PortStatus;
import java.util.Optional;

/**
 * event_channel_op (32) (xen-pv-abi.md, section 10): takes the arguments out of guest memory, calls
 * {@link EventChannels}, and stores what came of it. An operation that binds a port first makes
 * sure that the port's number can be stored, so that a bad pointer leaves no port behind.
 */
public final class EventChannelOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(BIND_INTERDOMAIN, "bind_interdomain")
          .done(BIND_VIRQ, "bind_virq")
          .done(BIND_PIRQ, "bind_pirq")
          .done(CLOSE, "close")
          .done(SEND, "send")
          .done(STATUS, "status")
          .done(ALLOC_UNBOUND, "alloc_unbound")
          .done(BIND_IPI, "bind_ipi")
          .done(BIND_VCPU, "bind_vcpu")
          .done(UNMASK, "unmask")
          .done(RESET, "reset")
          .done(INIT_CONTROL, "init_control")
          .done(EXPAND_ARRAY, "expand_array")
          .done(SET_PRIORITY, "set_priority");

  /** Makes the hypercall. */
  public EventChannelOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    EventChannels own = v.domain().events();
    GuestAccess guest = v.guest();
    return switch ((int) command) {
      case BIND_INTERDOMAIN -> bindInterdomain(own, guest, arg);
      case BIND_VIRQ -> bindVirq(own, guest, arg);
      case BIND_PIRQ -> bindPirq(v, guest, arg);
      case CLOSE -> own.close(guest.getInt(arg));
      case SEND -> own.send(guest.getInt(arg));
      case STATUS -> status(own, guest, arg);
      case ALLOC_UNBOUND -> allocUnbound(own, guest, arg);
      case BIND_IPI -> bindIpi(own, guest, arg);
      case BIND_VCPU -> own.bindVcpu(guest.getInt(arg + VCPU_PORT), guest.getInt(arg + VCPU_VCPU));
      case UNMASK -> own.unmask(guest.getInt(arg));
      case RESET -> reset(own, guest, arg);
      case INIT_CONTROL -> initControl(own, guest, arg);
      case EXPAND_ARRAY -> own.expandArray(guest.getLong(arg));
      case SET_PRIORITY ->
          own.setPriority(guest.getInt(arg + PRIORITY_PORT), guest.getInt(arg + PRIORITY_PRIORITY));
      default -> -Errno.ENOSYS;
    };
  }

  private static long bindInterdomain(EventChannels own, GuestAccess guest, long arg) {
    int domid = guest.getShort(arg + INTERDOMAIN_REMOTE_DOM);
    int remotePort = guest.getInt(arg + INTERDOMAIN_REMOTE_PORT);
    guest.requireWritable(arg + INTERDOMAIN_LOCAL_PORT, Integer.BYTES);
    return storePort(guest, arg + INTERDOMAIN_LOCAL_PORT, own.bindInterdomain(domid, remotePort));
  }

  private static long bindVirq(EventChannels own, GuestAccess guest, long arg) {
    int virq = guest.getInt(arg + VIRQ_VIRQ);
    int vcpu = guest.getInt(arg + VIRQ_VCPU);
    guest.requireWritable(arg + VIRQ_PORT, Integer.BYTES);
    return storePort(guest, arg + VIRQ_PORT, own.bindVirq(virq, vcpu));
  }

  /** Flags say whether the guest would share a line, which messages are not. */
  private static long bindPirq(Vcpu v, GuestAccess guest, long arg) {
    int pirq = guest.getInt(arg + PIRQ_PIRQ);
    guest.requireWritable(arg + PIRQ_PORT, Integer.BYTES);
    return storePort(guest, arg + PIRQ_PORT, v.domain().devices().bindPirq(pirq));
  }

  private static long status(EventChannels own, GuestAccess guest, long arg) {
    Optional<EventChannels> target = own.other(guest.getShort(arg + STATUS_DOM));
    int port = guest.getInt(arg + STATUS_PORT);
    if (target.isEmpty()) {
      return -Errno.ESRCH;
    }
    if (!target.get().controlledBy(own.domid())) {
      return -Errno.EPERM;
    }
    Optional<PortStatus> found = target.get().status(port);
    if (found.isEmpty()) {
      return -Errno.EINVAL;
    }
    PortStatus status = found.get();
    guest.putInt(arg + STATUS_STATUS, status.state());
    guest.putInt(arg + STATUS_VCPU, status.vcpu());
    switch (status.state()) {
      case PortStatus.UNBOUND -> guest.putShort(arg + STATUS_DETAIL, status.remoteDomid());
      case PortStatus.INTERDOMAIN -> {
        guest.putShort(arg + STATUS_DETAIL, status.remoteDomid());
        guest.putInt(arg + STATUS_REMOTE_PORT, status.detail());
      }
      case PortStatus.VIRQ, PortStatus.PIRQ -> guest.putInt(arg + STATUS_DETAIL, status.detail());
      default -> {}
    }
    return 0;
  }

  private static long allocUnbound(EventChannels own, GuestAccess guest, long arg) {
    Optional<EventChannels> target = own.other(guest.getShort(arg + UNBOUND_DOM));
    int remoteDomid = guest.getShort(arg + UNBOUND_REMOTE_DOM);
    guest.requireWritable(arg + UNBOUND_PORT, Integer.BYTES);
    if (target.isEmpty()) {
      return -Errno.ESRCH;
    }
    int port = target.get().allocUnbound(own.domid(), remoteDomid);
    return storePort(guest, arg + UNBOUND_PORT, port);
  }

  private static long bindIpi(EventChannels own, GuestAccess guest, long arg) {
    int vcpu = guest.getInt(arg + IPI_VCPU);
    guest.requireWritable(arg + IPI_PORT, Integer.BYTES);
    return storePort(guest, arg + IPI_PORT, own.bindIpi(vcpu));
  }

  private static long reset(EventChannels own, GuestAccess guest, long arg) {
    int domid = guest.getShort(arg);
    Optional<EventChannels> target = own.other(domid);
    return target.isEmpty() ? -Errno.ESRCH : target.get().reset(own.domid());
  }

  private static long initControl(EventChannels own, GuestAccess guest, long arg) {
    long gfn = guest.getLong(arg + CONTROL_GFN);
    int offset = guest.getInt(arg + CONTROL_OFFSET);
    int vcpu = guest.getInt(arg + CONTROL_VCPU);
    guest.requireWritable(arg + CONTROL_LINK_BITS, 1);
    int result = own.initControl(gfn, offset, vcpu);
    if (result == 0) {
      guest.putByte(arg + CONTROL_LINK_BITS, FifoLayout.LINK_BITS);
    }
    return result;
  }

  private static long storePort(GuestAccess guest, long at, int port) {
    if (port < 0) {
      return port;
    }
    guest.putInt(at, port);
    return 0;
  }
}

package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EEXIST;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOENT;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.Errno.ENOSYS;
import static dev.domus.kernel.abi.Errno.EOPNOTSUPP;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Virq;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The event channels of one domain: a table of ports, each free, waiting for a remote domain to
 * bind, one half of a channel, or bound to a virtual interrupt or an IPI (xen-pv-abi.md, section
 * 10). Guests reach it by hypercall, service domains by their typed interface; both get the same
 * checks and the same answers: 0 or a port, or a negated {@link dev.domus.kernel.abi.Errno}.
 *
 * <h2>Sending takes no lock</h2>
 *
 * <p>{@link #send} and {@link #raiseVirq} run on other domains' pCPUs and in timer threads,
 * thousands of times a second. They read the table and a port's binding, both immutable values
 * behind volatile fields, and set bits (see {@link TwoLevelDelivery}). They allocate nothing and
 * wait for nobody.
 *
 * <p>So a send may come late: after the other end was closed, even after its port was bound to
 * something else. Closing and binding clear the pending bit, the latter before the new binding can
 * be seen. What can still happen is that the new owner of a port number finds it pending once
 * without cause, which every consumer of events has to stand. What cannot happen is that an event
 * is swallowed: a bit set before a send is never cleared after it except by its consumer.
 *
 * <h2>Binding takes the domain's lock</h2>
 *
 * <p>Everything that changes a binding holds {@link #lock} of the domain whose port it is. Binding
 * and closing a channel change two domains and take both locks, <em>that of the lower domain id
 * first</em>; one lock if a domain talks to itself. Which domain is at the other end can change
 * until the locks are held, so closing looks, locks and looks again. No other lock is taken inside,
 * and {@link EventTarget} is called with the locks held or not: it must not come back.
 *
 * <h2>Death</h2>
 *
 * <p>{@link #closeAll} closes every port and refuses all further binding. The other ends fall back
 * to unbound, as if the domain had closed them itself.
 */
public final class EventChannels {
  private static final int FIRST_TABLE = 64;
  private static final int MAX_PRIORITY = 15;

  private final EventTarget target;
  private final EventDomains domains;
  private final ReentrantLock lock = new ReentrantLock();
  private final PortDelivery delivery;

  /**
   * Ports by number; an element is null until the port is first allocated. Replaced by a longer
   * copy under the lock.
   */
  private volatile AtomicReferenceArray<Port> table = new AtomicReferenceArray<>(FIRST_TABLE);

  /** Port of each (vCPU, virtual interrupt), or 0. Made when the first one is bound. */
  private volatile AtomicIntegerArray virqPorts;

  /** No free port is below this number. */
  private int lowestFree = 1;

  private boolean dying;

  /**
   * Makes a table of free ports.
   *
   * @param target whom they notify; asked for the shared info page at once, for vCPUs only later
   * @param domains the other domains
   */
  public EventChannels(EventTarget target, EventDomains domains) {
    this.target = target;
    this.domains = domains;
    delivery =
        target.sharedInfo() >= 0
            ? new TwoLevelDelivery(domains.memory(), target)
            : new HandlerDelivery(target);
    Port reserved = new Port(0);
    reserved.binding = PortBinding.Reserved.INSTANCE;
    table.set(0, reserved);
  }

  /** The id of the domain whose ports these are. */
  public int domid() {
    return target.domid();
  }

  // ---- operations, in the order of the ABI ----

  /**
   * EVTCHNOP_bind_interdomain: connects a new port to a port that a remote domain has allocated for
   * this one. The new port is pending at once, since the remote side may have sent already.
   *
   * @return the new port, −ESRCH, −EINVAL or −ENOSPC
   */
  public int bindInterdomain(int remoteDomid, int remotePort) {
    Optional<EventChannels> found = other(remoteDomid);
    if (found.isEmpty()) {
      return -ESRCH;
    }
    EventChannels remote = found.get();
    lockBoth(this, remote);
    try {
      Port far = remote.port(remotePort);
      if (far == null
          || !(far.binding instanceof PortBinding.Unbound unbound)
          || unbound.remoteDomid() != domid()) {
        return -EINVAL;
      }
      int number = freePort();
      if (number < 0) {
        return number;
      }
      Port near = bind(number, 0, remote, far);
      delivery.setPending(near);
      return number;
    } finally {
      unlockBoth(this, remote);
    }
  }

  private Port bind(int number, int vcpu, EventChannels remote, Port far) {
    Port near = bind(number, vcpu, new PortBinding.Interdomain(remote, far));
    far.binding = new PortBinding.Interdomain(this, near);
    return near;
  }

  /**
   * EVTCHNOP_bind_virq: binds a virtual interrupt.
   *
   * @return the new port, −EINVAL, −ENOENT, −EEXIST or −ENOSPC
   */
  public int bindVirq(int virq, int vcpu) {
    if (!Virq.exists(virq) || Virq.isGlobal(virq) && vcpu != 0) {
      return -EINVAL;
    }
    if (!vcpuExists(vcpu)) {
      return -ENOENT;
    }
    lock.lock();
    try {
      AtomicIntegerArray ports = virqPorts;
      if (ports == null) {
        ports = new AtomicIntegerArray(target.vcpus() * Virq.COUNT);
        virqPorts = ports;
      }
      int index = virqIndex(virq, vcpu);
      if (ports.get(index) != 0) {
        return -EEXIST;
      }
      int number = freePort();
      if (number < 0) {
        return number;
      }
      bind(number, vcpu, new PortBinding.BoundVirq(virq, vcpu));
      ports.set(index, number);
      return number;
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_close: frees a port. The other end of a channel falls back to unbound, reserved for
   * this domain.
   *
   * @return 0 or −EINVAL
   */
  public int close(int number) {
    while (true) {
      Port port = port(number);
      if (port == null) {
        return -EINVAL;
      }
      PortBinding seen = port.binding;
      EventChannels remote =
          seen instanceof PortBinding.Interdomain channel ? channel.remote() : this;
      lockBoth(this, remote);
      try {
        if (port.binding == seen) {
          return closeLocked(port, seen);
        }
      } finally {
        unlockBoth(this, remote);
      }
    }
  }

  private int closeLocked(Port port, PortBinding binding) {
    switch (binding) {
      case PortBinding.Free _ -> {
        return -EINVAL;
      }
      case PortBinding.Reserved _ -> {
        return -EINVAL;
      }
      case PortBinding.Interdomain channel ->
          channel.remotePort().binding = new PortBinding.Unbound(domid());
      case PortBinding.BoundVirq bound -> virqPorts.set(virqIndex(bound.virq(), bound.vcpu()), 0);
      case PortBinding.Unbound _ -> {}
      case PortBinding.Ipi _ -> {}
    }
    port.binding = PortBinding.Free.INSTANCE;
    port.notifyVcpu = 0;
    delivery.clearPending(port);
    lowestFree = Math.min(lowestFree, port.number);
    return 0;
  }

  /**
   * EVTCHNOP_send: notifies the other end. Does nothing if nobody has bound to the port yet.
   *
   * @return 0 or −EINVAL
   */
  public int send(int number) {
    Port port = port(number);
    if (port == null) {
      return -EINVAL;
    }
    PortBinding binding = port.binding;
    if (binding instanceof PortBinding.Interdomain channel) {
      channel.remote().delivery.setPending(channel.remotePort());
      return 0;
    }
    if (binding instanceof PortBinding.Ipi) {
      delivery.setPending(port);
      return 0;
    }
    return binding instanceof PortBinding.Unbound ? 0 : -EINVAL;
  }

  /** EVTCHNOP_status: describes a port, or nothing if there is no such port. */
  public Optional<PortStatus> status(int number) {
    Port port = port(number);
    if (port == null) {
      return inTable(number)
          ? Optional.of(new PortStatus(PortStatus.CLOSED, 0, 0, 0))
          : Optional.empty();
    }
    int vcpu = port.notifyVcpu;
    return Optional.of(
        switch (port.binding) {
          case PortBinding.Free _ -> new PortStatus(PortStatus.CLOSED, vcpu, 0, 0);
          case PortBinding.Reserved _ -> new PortStatus(PortStatus.CLOSED, vcpu, 0, 0);
          case PortBinding.Unbound unbound ->
              new PortStatus(PortStatus.UNBOUND, vcpu, unbound.remoteDomid(), 0);
          case PortBinding.Interdomain channel ->
              new PortStatus(
                  PortStatus.INTERDOMAIN,
                  vcpu,
                  channel.remote().domid(),
                  channel.remotePort().number);
          case PortBinding.BoundVirq bound ->
              new PortStatus(PortStatus.VIRQ, vcpu, 0, bound.virq());
          case PortBinding.Ipi _ -> new PortStatus(PortStatus.IPI, vcpu, 0, 0);
        });
  }

  /**
   * EVTCHNOP_alloc_unbound in this domain, by itself or by one that controls it: a port that a
   * remote domain may bind to.
   *
   * @param callerDomid who asks
   * @param remoteDomid who may bind; DOMID_SELF means the caller
   * @return the new port, −EPERM or −ENOSPC
   */
  public int allocUnbound(int callerDomid, int remoteDomid) {
    if (!controlledBy(callerDomid)) {
      return -EPERM;
    }
    lock.lock();
    try {
      int number = freePort();
      if (number > 0) {
        bind(
            number,
            0,
            new PortBinding.Unbound(remoteDomid == Domid.SELF ? callerDomid : remoteDomid));
      }
      return number;
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_bind_ipi: a port that this domain's vCPUs notify one another by.
   *
   * @return the new port, −ENOENT or −ENOSPC
   */
  public int bindIpi(int vcpu) {
    if (!vcpuExists(vcpu)) {
      return -ENOENT;
    }
    lock.lock();
    try {
      int number = freePort();
      if (number > 0) {
        bind(number, vcpu, PortBinding.Ipi.INSTANCE);
      }
      return number;
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_bind_vcpu: chooses the vCPU that a port notifies from now on. What is pending stays
   * where it was announced.
   *
   * @return 0, −ENOENT or −EINVAL
   */
  public int bindVcpu(int number, int vcpu) {
    if (!vcpuExists(vcpu)) {
      return -ENOENT;
    }
    lock.lock();
    try {
      Port port = port(number);
      boolean movable =
          port != null
              && switch (port.binding) {
                case PortBinding.Unbound _ -> true;
                case PortBinding.Interdomain _ -> true;
                case PortBinding.BoundVirq bound -> Virq.isGlobal(bound.virq());
                case PortBinding.Free _ -> false;
                case PortBinding.Reserved _ -> false;
                case PortBinding.Ipi _ -> false;
              };
      if (!movable) {
        return -EINVAL;
      }
      port.notifyVcpu = vcpu;
      return 0;
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_unmask: clears a port's mask and announces it if it is pending.
   *
   * @return 0 or −EINVAL
   */
  public int unmask(int number) {
    Port port = port(number);
    if (port == null) {
      return inTable(number) ? 0 : -EINVAL;
    }
    delivery.unmask(port);
    return 0;
  }

  /**
   * EVTCHNOP_reset, by the domain itself or one that controls it: closes all ports.
   *
   * @return 0 or −EPERM
   */
  public int reset(int callerDomid) {
    if (!controlledBy(callerDomid)) {
      return -EPERM;
    }
    AtomicReferenceArray<Port> ports = table;
    for (int number = 1; number < ports.length(); number++) {
      close(number);
    }
    return 0;
  }

  /**
   * EVTCHNOP_init_control: the FIFO ABI is not there, and a guest that asks for it stays with two
   * levels.
   */
  public int initControl(long controlGfn, int offset, int vcpu) {
    return -ENOSYS;
  }

  /** EVTCHNOP_expand_array: no domain has switched to the FIFO ABI. */
  public int expandArray(long arrayGfn) {
    return -EOPNOTSUPP;
  }

  /**
   * EVTCHNOP_set_priority: −EINVAL out of range, otherwise −ENOSYS, as two-level ports have none.
   */
  public int setPriority(int number, int priority) {
    return Integer.compareUnsigned(priority, MAX_PRIORITY) > 0 ? -EINVAL : -ENOSYS;
  }

  // ---- for the rest of the kernel ----

  /**
   * Raises a virtual interrupt of a vCPU, or of the domain with vCPU 0; does nothing if it is not
   * bound. Lock-free.
   */
  public void raiseVirq(int virq, int vcpu) {
    AtomicIntegerArray ports = virqPorts;
    if (ports == null) {
      return;
    }
    int number = ports.get(virqIndex(virq, vcpu));
    if (number != 0) {
      delivery.setPending(port(number));
    }
  }

  /**
   * Says whether a port is bound to something. SCHEDOP_poll refuses those that are not. Lock-free.
   */
  public boolean isBound(int number) {
    Port port = port(number);
    return port != null
        && port.binding != PortBinding.Free.INSTANCE
        && port.binding != PortBinding.Reserved.INSTANCE;
  }

  /** Says whether a port is pending, whatever its mask. Lock-free. */
  public boolean isPending(int number) {
    Port port = port(number);
    return port != null && delivery.isPending(port);
  }

  /**
   * What SCHEDOP_poll asks of each port. Lock-free.
   *
   * @return 1 if the port is pending, whatever its mask; 0 if not; −EINVAL if it is not bound, so
   *     that nobody waits for it (XSA-221)
   */
  public int pendingState(int number) {
    return !isBound(number) ? -EINVAL : isPending(number) ? 1 : 0;
  }

  /** Says whether the guest has masked a port. Lock-free. */
  public boolean isMasked(int number) {
    Port port = port(number);
    return port != null && delivery.isMasked(port);
  }

  /** Closes all ports for good, for the death of the domain. */
  public void closeAll() {
    lock.lock();
    dying = true;
    lock.unlock();
    reset(domid());
  }

  // ---- inside ----

  private Port port(int number) {
    AtomicReferenceArray<Port> ports = table;
    return Integer.compareUnsigned(number, ports.length()) < 0 ? ports.get(number) : null;
  }

  private boolean inTable(int number) {
    return Integer.compareUnsigned(number, table.length()) < 0;
  }

  private boolean vcpuExists(int vcpu) {
    return Integer.compareUnsigned(vcpu, target.vcpus()) < 0;
  }

  /** The event channels of a domain that this one names; DOMID_SELF is this one. */
  Optional<EventChannels> other(int otherDomid) {
    return otherDomid == Domid.SELF || otherDomid == domid()
        ? Optional.of(this)
        : domains.events(otherDomid);
  }

  /** Says whether a domain may look at and change these ports. */
  boolean controlledBy(int callerDomid) {
    return callerDomid == domid() || domains.mayControl(callerDomid, domid());
  }

  private static int virqIndex(int virq, int vcpu) {
    return vcpu * Virq.COUNT + virq;
  }

  /** The lowest free port, −ENOSPC, or −EINVAL for a domain that is going. Under the lock. */
  private int freePort() {
    if (dying) {
      return -EINVAL;
    }
    int number = lowestFree;
    while (port(number) instanceof Port port && port.binding != PortBinding.Free.INSTANCE) {
      number++;
    }
    lowestFree = number;
    return number < delivery.ports() ? number : -ENOSPC;
  }

  /** Binds a free port. Under the lock. */
  private Port bind(int number, int vcpu, PortBinding binding) {
    Port port = port(number);
    if (port == null) {
      port = new Port(number);
      if (number == table.length()) {
        grow();
      }
      table.set(number, port);
    }
    delivery.clearPending(port);
    port.notifyVcpu = vcpu;
    port.binding = binding;
    return port;
  }

  private void grow() {
    AtomicReferenceArray<Port> shorter = table;
    AtomicReferenceArray<Port> longer = new AtomicReferenceArray<>(shorter.length() * 2);
    for (int i = 0; i < shorter.length(); i++) {
      longer.setPlain(i, shorter.getPlain(i));
    }
    table = longer;
  }

  private static void lockBoth(EventChannels a, EventChannels b) {
    if (a.domid() <= b.domid()) {
      a.lock.lock();
      if (a != b) {
        b.lock.lock();
      }
    } else {
      b.lock.lock();
      a.lock.lock();
    }
  }

  private static void unlockBoth(EventChannels a, EventChannels b) {
    a.lock.unlock();
    if (a != b) {
      b.lock.unlock();
    }
  }
}

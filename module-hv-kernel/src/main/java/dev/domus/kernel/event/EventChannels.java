package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EAGAIN;
import static dev.domus.kernel.abi.Errno.EEXIST;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOENT;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.Errno.ENOSYS;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.FifoLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.service.PortStatus;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;

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
 * behind volatile fields, and set bits (see {@link TwoLevelDelivery} and {@link FifoDelivery}).
 * They allocate nothing and wait for nobody.
 *
 * <p>So a send may come late: after the other end was closed, even after its port was bound to
 * something else. Closing and binding clear the pending bit, the latter before the new binding can
 * be seen. What can still happen is that the new owner of a port number finds it pending once
 * without cause, which every consumer of events has to stand. What cannot happen is that an event
 * is swallowed: a bit set before a send is never cleared after it except by its consumer.
 *
 * <p>Nor does a late send reach memory that the domain has no more: see {@link CurrentDelivery}.
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
 * to unbound, as if the domain had closed them itself. When it returns, nobody writes to the
 * domain's memory or notifies its vCPUs any more.
 */
public final class EventChannels {
  private static final int PAGE_SIZE = 4096;

  /** How often a reset closes all ports anew before it gives in to those who bind meanwhile. */
  private static final int RESET_ATTEMPTS = 8;

  private final EventTarget target;
  private final EventDomains domains;
  private final ReentrantLock lock = new ReentrantLock();
  private final PortTable table = new PortTable();
  private final CurrentDelivery delivery;

  /** Port of each (vCPU, virtual interrupt), or 0. Made when the first one is bound. */
  private volatile AtomicIntegerArray virqPorts;

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
    delivery = new CurrentDelivery(target, domains);
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
      Port far = remote.table.get(remotePort);
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
   * EVTCHNOP_bind_pirq: binds a physical interrupt of the domain's, on vCPU 0 until it is moved.
   *
   * @return the new port, −EEXIST if the interrupt has one, or −ENOSPC
   */
  public int bindPirq(PhysicalInterrupt interrupt) {
    lock.lock();
    try {
      int number = freePort();
      if (number < 0) {
        return number;
      }
      Port port = bind(number, 0, new PortBinding.BoundPirq(interrupt));
      if (!interrupt.bind(number)) {
        port.binding = PortBinding.Free.INSTANCE;
        table.release(port);
        return -EEXIST;
      }
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
      Port port = table.get(number);
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
      case PortBinding.BoundPirq bound -> bound.interrupt().unbind();
      case PortBinding.Unbound _ -> {}
      case PortBinding.Ipi _ -> {}
    }
    port.binding = PortBinding.Free.INSTANCE;
    port.notifyVcpu = 0;
    delivery.clearPending(port);
    table.release(port);
    return 0;
  }

  /**
   * EVTCHNOP_send: notifies the other end. Does nothing if nobody has bound to the port yet.
   *
   * @return 0 or −EINVAL
   */
  public int send(int number) {
    Port port = table.get(number);
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
    Port port = table.get(number);
    if (port == null) {
      return table.covers(number)
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
          case PortBinding.BoundPirq bound ->
              new PortStatus(PortStatus.PIRQ, vcpu, 0, bound.interrupt().number());
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
      Port port = table.get(number);
      boolean movable =
          port != null
              && switch (port.binding) {
                case PortBinding.Unbound _ -> true;
                case PortBinding.Interdomain _ -> true;
                case PortBinding.BoundPirq _ -> true;
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
    Port port = table.get(number);
    if (port == null) {
      return table.covers(number) ? 0 : -EINVAL;
    }
    if (port.binding == PortBinding.Free.INSTANCE) {
      return 0;
    }
    delivery.unmask(port);
    return 0;
  }

  /**
   * EVTCHNOP_reset, by the domain itself or one that controls it: closes all ports and goes back to
   * the two-level ABI.
   *
   * @return 0, −EPERM, or −EAGAIN if others of the domain's vCPUs go on binding ports
   */
  public int reset(int callerDomid) {
    if (!controlledBy(callerDomid)) {
      return -EPERM;
    }
    for (int attempt = 0; attempt < RESET_ATTEMPTS; attempt++) {
      closePorts();
      if (leaveFifo()) {
        return 0;
      }
    }
    return -EAGAIN;
  }

  private void closePorts() {
    for (int number = 1; number < table.length(); number++) {
      close(number);
    }
  }

  /** Goes back to two levels; false if a port is bound. */
  private boolean leaveFifo() {
    lock.lock();
    try {
      if (!table.isEmpty()) {
        return false;
      }
      delivery.leaveFifo();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_init_control: gives a vCPU's control block. The first one switches the domain to the
   * FIFO ABI. What is pending then is remembered until there is an event word for it.
   *
   * @return 0, −ENOENT or −EINVAL
   */
  public int initControl(long controlGfn, int offset, int vcpu) {
    if (!vcpuExists(vcpu)) {
      return -ENOENT;
    }
    if (Integer.compareUnsigned(offset, PAGE_SIZE - FifoLayout.CONTROL_BLOCK_SIZE) > 0
        || (offset & 7) != 0) {
      return -EINVAL;
    }
    lock.lock();
    try {
      return delivery.initControl(controlGfn, offset, vcpu, table);
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_expand_array: gives the next page of event words, and raises what was waiting for one.
   *
   * @return 0, −EOPNOTSUPP before EVTCHNOP_init_control, −ENOSPC or −EINVAL
   */
  public int expandArray(long arrayGfn) {
    lock.lock();
    try {
      return delivery.expandArray(arrayGfn, table);
    } finally {
      lock.unlock();
    }
  }

  /**
   * EVTCHNOP_set_priority: chooses the queue of a port from its next event on.
   *
   * @return 0, −EINVAL for a priority above 15 or a port beyond the table, −ENOSYS with two levels
   */
  public int setPriority(int number, int priority) {
    if (Integer.compareUnsigned(priority, FifoLayout.PRIORITIES) >= 0) {
      return -EINVAL;
    }
    lock.lock();
    try {
      if (!delivery.isFifo()) {
        return -ENOSYS;
      }
      if (!table.covers(number)) {
        return -EINVAL;
      }
      Port port = table.get(number);
      if (port != null) {
        port.priority = priority;
      }
      return 0;
    } finally {
      lock.unlock();
    }
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
      delivery.setPending(table.get(number));
    }
  }

  /**
   * A physical interrupt has been raised: makes its port pending, if that is still its port.
   * Lock-free.
   */
  public void raisePirq(PhysicalInterrupt interrupt, int number) {
    Port port = table.get(number);
    if (port != null
        && port.binding instanceof PortBinding.BoundPirq bound
        && bound.interrupt() == interrupt) {
      delivery.setPending(port);
    }
  }

  /**
   * Says whether a port is bound to something. SCHEDOP_poll refuses those that are not. Lock-free.
   */
  public boolean isBound(int number) {
    Port port = table.get(number);
    return port != null
        && port.binding != PortBinding.Free.INSTANCE
        && port.binding != PortBinding.Reserved.INSTANCE;
  }

  /** Says whether a port is pending, whatever its mask. Lock-free. */
  public boolean isPending(int number) {
    Port port = table.get(number);
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
    Port port = table.get(number);
    return port != null && delivery.isMasked(port);
  }

  /** Closes all ports for good, for the death of the domain. */
  public void closeAll() {
    lock.lock();
    dying = true;
    lock.unlock();
    closePorts();
    lock.lock();
    try {
      delivery.end();
    } finally {
      lock.unlock();
    }
  }

  // ---- inside ----

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

  /** Names each of the guest's frames that is held, as often as it is held; for tests. */
  void forEachFrame(LongConsumer taker) {
    delivery.forEachFrame(taker);
  }

  private static int virqIndex(int virq, int vcpu) {
    return vcpu * Virq.COUNT + virq;
  }

  /** The lowest free port, −ENOSPC, or −EINVAL for a domain that is going. Under the lock. */
  private int freePort() {
    if (dying) {
      return -EINVAL;
    }
    int number = table.lowestFree();
    return number < delivery.ports() ? number : -ENOSPC;
  }

  /** Binds a free port. Under the lock. */
  private Port bind(int number, int vcpu, PortBinding binding) {
    Port port = table.take(number);
    delivery.clearPending(port);
    port.notifyVcpu = vcpu;
    port.priority = FifoLayout.DEFAULT_PRIORITY;
    port.binding = binding;
    return port;
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

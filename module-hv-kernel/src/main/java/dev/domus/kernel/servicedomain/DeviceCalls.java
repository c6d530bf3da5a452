package dev.domus.kernel.servicedomain;

import static dev.domus.kernel.abi.PhysdevLayout.*;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.driver.DriverCalls;
import dev.domus.kernel.driver.Registered;
import dev.domus.kernel.passthrough.Assignments;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * physdev_op of a service domain, its own devices, and the configuration space of PCI functions.
 * Reading and writing asks the policy about the domain that has the function, and about the machine
 * if nobody has.
 */
final class DeviceCalls implements DriverCalls {
  private static final int SPACE = 4096;

  private final Callers callers;
  private final EventCalls events;
  private final GrantCalls grants;
  private final MemoryCalls memory;

  DeviceCalls(Callers callers, EventCalls events, GrantCalls grants, MemoryCalls memory) {
    this.callers = callers;
    this.events = events;
    this.grants = grants;
    this.memory = memory;
  }

  // ---- devices of its own

  DriverDevice open(RequesterId id, String mode, long gfn) {
    callers.enter().close(); // it is alive; if it ends now, it loses the function or has lost it
    return callers
        .domain()
        .hypervisor()
        .assignments()
        .drivers()
        .open(callers.domain(), id, mode, gfn, this);
  }

  @Override
  public Registered hold(GrantMapping mapping) {
    return grants.hold(mapping);
  }

  @Override
  public void populate(long gfn, long count) {
    memory.populate(gfn, count);
  }

  @Override
  public void giveBack(long gfn, long count) {
    memory.giveBack(gfn, count);
  }

  @Override
  public EventPort bindInterrupt(PciFunction function, int vector, Runnable handler) {
    int pirq = mapPirq(callers.domid(), function.id(), function.spec().interrupts(), vector);
    try {
      return new InterruptPort(events.bindPirq(pirq, handler), pirq);
    } catch (HypercallException refused) {
      unmapPirq(callers.domid(), pirq);
      throw refused;
    }
  }

  /** The port of a physical interrupt, which goes with it. */
  private final class InterruptPort implements EventPort {
    private final EventPort port;
    private final int pirq;
    private final AtomicBoolean closed = new AtomicBoolean();

    InterruptPort(EventPort port, int pirq) {
      this.port = port;
      this.pirq = pirq;
    }

    @Override
    public int port() {
      return port.port();
    }

    @Override
    public void send() {
      port.send();
    }

    @Override
    public void close() {
      if (closed.compareAndSet(false, true)) {
        try {
          unmapPirq(callers.domid(), pirq);
        } catch (HypercallException gone) {
          // with the function, or with the domain
        }
        port.close();
      }
    }
  }

  // ---- configuration space

  int readConfig(RequesterId id, int offset, int size) {
    Optional<PciFunction> function = function(id, offset, size);
    int none = -1 >>> Integer.SIZE - Byte.SIZE * size;
    return function.map(found -> found.readConfig(offset, size)).orElse(none);
  }

  void writeConfig(RequesterId id, int offset, int size, int value) {
    function(id, offset, size).ifPresent(found -> found.writeConfig(offset, size, value));
  }

  private Optional<PciFunction> function(RequesterId id, int offset, int size) {
    if (size != 1 && size != 2 && size != 4
        || offset < 0
        || offset >= SPACE
        || offset % size != 0) {
      throw new HypercallException(
          Errno.EINVAL,
          "no such configuration register: offset=0x%x size=%d".formatted(offset, size));
    }
    try (Caller _ = callers.enter()) {
      Hypervisor hypervisor = callers.domain().hypervisor();
      Optional<PciFunction> function = hypervisor.assignments().function(id);
      int owner = function.map(Assignments::ownerOf).orElse(-1);
      int target = owner < 0 ? Domid.XEN : owner;
      if (hypervisor.access().check(Operation.PCI_BUS, callers.domid(), target, id.value()) != 0) {
        throw callers.refused(-Errno.EPERM, "use the configuration space of function " + id);
      }
      return function;
    }
  }

  // ---- physical interrupts

  int mapPirq(int domid, RequesterId id, InterruptKind kind, int vector) {
    try (Caller call = callers.enter()) {
      call.putShort(MAP_DOMID, Callers.domid(domid)).putInt(MAP_TYPE, TYPE_MSI_SEG);
      call.putInt(MAP_PIRQ_NUMBER, ANY_PIRQ).putInt(MAP_BUS, id.bus());
      call.putInt(MAP_DEVFN, id.value() & 0xff).putInt(MAP_ENTRY, vector);
      call.putLong(MAP_TABLE_BASE, kind == InterruptKind.MSI_X ? 1 : 0);
      int result = call.call(HypercallNumber.PHYSDEV_OP, MAP_PIRQ);
      if (result < 0) {
        throw callers.refused(
            result, "map vector %d of function %s to domain %d".formatted(vector, id, domid));
      }
      return call.getInt(MAP_PIRQ_NUMBER);
    }
  }

  void unmapPirq(int domid, int pirq) {
    try (Caller call = callers.enter()) {
      call.putShort(UNMAP_DOMID, Callers.domid(domid)).putInt(UNMAP_PIRQ_NUMBER, pirq);
      int result = call.call(HypercallNumber.PHYSDEV_OP, UNMAP_PIRQ);
      if (result < 0) {
        throw callers.refused(result, "unmap interrupt %d of domain %d".formatted(pirq, domid));
      }
    }
  }
}

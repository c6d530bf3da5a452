package dev.domus.kernel.passthrough;

import static dev.domus.kernel.abi.Errno.EBUSY;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EIO;
import static dev.domus.kernel.abi.Errno.ENODEV;
import static dev.domus.kernel.abi.Errno.ENOMEM;
import static dev.domus.kernel.abi.Errno.ESRCH;

import dev.domus.iommu.FaultRecorder;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.driver.Drivers;
import dev.domus.kernel.pci.BarPlace;
import dev.domus.kernel.pci.FunctionState;
import dev.domus.kernel.pci.PciBus;
import dev.domus.kernel.pci.PciFunction;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * Gives functions of the bus to domains, and takes them back.
 *
 * <h2>Taking back</h2>
 *
 * In this order: the domain has the function no more, so nobody can map interrupts of it; its
 * interrupts are unmapped; a driver in a service domain makes no call any more, nor is one under
 * way ({@link Drivers}); its regions, vectors and DMA end, with a wait for what is under way, and
 * it is reset ({@link PciFunction#detach}); the domain's right to its regions goes, lest it reach
 * them when they are the next owner's; what a driver had registered is given back. A domain that is
 * destroyed has all its functions taken back before anything else of it goes.
 *
 * <p>Each waits for the device, up to some seconds for one that hangs, so none of this is for the
 * thread of a vCPU. Two at once for one function: the function's own lock makes one of them find
 * that it is not as it should be. Thread-safe.
 */
public final class Assignments {
  private final PciBus bus;
  private final MachineIommu iommu;
  private final IntFunction<Domain> domains;
  private final Supplier<List<Domain>> allDomains;
  private final Drivers drivers;

  /**
   * Makes it.
   *
   * @param domains a domain by id, or null
   * @param allDomains every domain
   */
  public Assignments(
      PciBus bus,
      MachineIommu iommu,
      IntFunction<Domain> domains,
      Supplier<List<Domain>> allDomains) {
    this.bus = bus;
    this.iommu = iommu;
    this.domains = domains;
    this.allDomains = allDomains;
    drivers = new Drivers(iommu);
  }

  /** The functions that service domains have. */
  public Drivers drivers() {
    return drivers;
  }

  /** The functions of the machine, by requester id. */
  public Collection<PciFunction> functions() {
    return bus.functions();
  }

  /** The function of a requester id. */
  public Optional<PciFunction> function(RequesterId id) {
    return bus.function(id);
  }

  /** Puts a new function on the bus; it is nobody's. */
  public PciFunction plug(RequesterId id, DeviceModel model, Map<String, String> options)
      throws DeviceException {
    return bus.plug(id, model, options);
  }

  /**
   * Takes a function off the bus, out of the hands of whoever has it.
   *
   * @return 0 or −ENODEV
   */
  public int unplug(RequesterId id) {
    Optional<PciFunction> function = bus.function(id);
    if (function.isEmpty()) {
      return -ENODEV;
    }
    Domain owner = domains.apply(ownerOf(function.get()));
    if (owner != null) {
      takeFrom(owner, function.get());
    }
    boolean unplugged = bus.unplug(id);
    for (Domain domain : allDomains.get()) { // what is placed there next is another function's
      revokeRegions(domain, function.get());
    }
    return unplugged ? 0 : -ENODEV;
  }

  /**
   * Gives a function to a domain, reset.
   *
   * @return 0; −ENODEV if there is no such function, −EBUSY if it is somebody's, −EIO if it has
   *     failed, −ESRCH if the domain is going, −ENOMEM if there is no memory for I/O page tables
   */
  public int assign(Domain domain, RequesterId id) {
    Optional<PciFunction> found = bus.function(id);
    if (found.isEmpty()) {
      return -ENODEV;
    }
    if (domain.isService()) {
      return assignToDriver(domain, found.get());
    }
    int error = domain.devices().space().enter(domain.mmu(), iommu);
    if (error != 0) {
      return error == -EINVAL ? -ESRCH : error;
    }
    error = attach(domain, found.get());
    if (error != 0) {
      domain.devices().space().leave(domain.mmu(), iommu);
    }
    return error;
  }

  private int assignToDriver(Domain domain, PciFunction function) {
    int error = drivers.enter(function);
    if (error == 0) {
      error = attach(domain, function);
      if (error != 0) {
        drivers.leave(function);
      }
    }
    return error;
  }

  private static int attach(Domain domain, PciFunction function) {
    if (!function.attach(domain.domid())) {
      return switch (function.state()) {
        case FunctionState.Unassigned none -> -ENOMEM;
        case FunctionState.Assigned other -> -EBUSY;
        case FunctionState.Failed failed -> -EIO;
        case FunctionState.Unplugged gone -> -ENODEV;
      };
    }
    if (!domain.devices().add(function)) {
      function.detach(domain.domid());
      return -ESRCH;
    }
    return 0;
  }

  /**
   * Takes a function back from a domain.
   *
   * @return 0, or −ENODEV if it is not the domain's
   */
  public int deassign(Domain domain, RequesterId id) {
    Optional<PciFunction> function = bus.function(id);
    return function.isPresent() && takeFrom(domain, function.get()) ? 0 : -ENODEV;
  }

  /** Takes back all that a domain has; it gets none any more. */
  public void deassignAll(Domain domain) {
    for (PciFunction function : domain.devices().close()) {
      takeFrom(domain, function);
    }
  }

  private boolean takeFrom(Domain domain, PciFunction function) {
    if (!domain.devices().remove(function)) {
      return false;
    }
    if (domain.isService()) {
      drivers.end(function);
    }
    function.detach(domain.domid());
    revokeRegions(domain, function);
    if (domain.isService()) {
      drivers.leave(function);
    } else {
      domain.devices().space().leave(domain.mmu(), iommu);
    }
    return true;
  }

  private static void revokeRegions(Domain domain, PciFunction function) {
    for (BarPlace place : function.places()) {
      if (domain.io().permitsAnyMemory(place.firstFrame(), place.frames())) {
        domain.io().permitMemory(place.firstFrame(), place.frames(), false);
      }
    }
  }

  /** Watches the IOMMU's faults until it is closed. */
  public static AutoCloseable watch(FaultRecorder faults, PciBus bus, IntFunction<Domain> domains) {
    return new FaultWatch(faults, bus, domains);
  }

  /** Id of the domain that a function belongs to, or −1. */
  public static int ownerOf(PciFunction function) {
    return ownerOf(function.state());
  }

  /** The same of a state. */
  public static int ownerOf(FunctionState state) {
    return switch (state) {
      case FunctionState.Assigned assigned -> assigned.domid();
      case FunctionState.Failed failed -> failed.domid();
      case FunctionState.Unassigned none -> -1;
      case FunctionState.Unplugged none -> -1;
    };
  }
}

package dev.domus.kernel.driver;

import static dev.domus.kernel.abi.Errno.ENODEV;
import static dev.domus.kernel.abi.Errno.ENOMEM;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.passthrough.MachineIommu;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.HypercallException;
import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The functions that service domains have, each with an address space of its own, and the modes of
 * protection that their drivers can choose.
 *
 * <h2>Who may choose what</h2>
 *
 * Any mode that translates is the driver's own risk: its frames stay its domain's for as long as
 * they are registered. One that bypasses the IOMMU is everybody's: it is domain 0's alone, and only
 * on a machine that was started with pass-through.
 *
 * <p>Thread-safe.
 */
public final class Drivers {
  /** Name of the mode that is built in. */
  public static final String STRICT = "strict";

  /** What is said of it in listings. */
  public static final String STRICT_DESCRIPTION =
      "a device reaches a page no more when its unmapping has returned";

  private static final System.Logger LOG = System.getLogger(Drivers.class.getName());

  private final MachineIommu iommu;
  private final Map<RequesterId, DriverSpace> spaces = new ConcurrentHashMap<>();
  private volatile Map<String, DmaModeFactory> modes = Map.of();
  private volatile boolean mayPassThrough;

  /** Nobody has any yet. */
  public Drivers(MachineIommu iommu) {
    this.iommu = iommu;
  }

  /**
   * Says what modes there are; before the first function is plugged in.
   *
   * @param newModes by name, without the built-in one
   * @param passThrough whether domain 0 may have devices that reach all memory
   */
  public void setModes(Map<String, DmaModeFactory> newModes, boolean passThrough) {
    modes = Map.copyOf(newModes);
    mayPassThrough = passThrough;
  }

  /** Whether domain 0 may have devices that reach all memory. */
  public boolean mayPassThrough() {
    return mayPassThrough;
  }

  // ---- giving and taking, for passthrough.Assignments

  /**
   * A function is about to become a service domain's: it gets an address space in which nothing is
   * mapped.
   *
   * @return 0 or −ENOMEM
   */
  public int enter(PciFunction function) {
    DriverSpace space;
    try {
      space = new DriverSpace(iommu, function);
    } catch (IllegalStateException noMemory) {
      return -ENOMEM;
    }
    if (spaces.putIfAbsent(function.id(), space) != null) {
      space.close();
      return -Errno.EBUSY;
    }
    iommu.enter(function.id(), space.domain());
    return 0;
  }

  /** A function is being taken: its driver makes no call any more. It reaches memory still. */
  public void end(PciFunction function) {
    spaces.get(function.id()).end();
  }

  /** A function has been taken, and reaches nothing: what its driver had registered is let go. */
  public void leave(PciFunction function) {
    DriverSpace space = spaces.remove(function.id());
    iommu.leave(function.id());
    space.close();
  }

  // ---- for drivers

  /**
   * Opens a function that a domain has.
   *
   * @param mode name of a mode
   * @param gfn first of the free numbers where pages for the mode may be put
   * @throws HypercallException ENODEV, EINVAL if there is no such mode, EPERM if it is not for this
   *     domain or machine, EBUSY if somebody has opened it, ENOMEM
   */
  public DriverDevice open(
      Domain domain, RequesterId id, String mode, long gfn, DriverCalls calls) {
    PciFunction function =
        domain.devices().functions().stream()
            .filter(each -> each.id().equals(id))
            .findFirst()
            .orElseThrow(() ->
                new HypercallException(
                    ENODEV, "domain %d has no function %s".formatted(domain.domid(), id)));
    DmaModeFactory factory = mode(mode);
    if (factory.bypassesIommu()) {
      requirePassThrough(domain, factory, id);
    }
    DriverSpace space = spaces.get(id);
    if (space == null) {
      throw new HypercallException(ENODEV, "function %s is being taken away".formatted(id));
    }
    return space.open(domain, factory, gfn, calls);
  }

  private DmaModeFactory mode(String name) {
    DmaModeFactory factory = name.equals(STRICT) ? StrictMode.INSTANCE : modes.get(name);
    if (factory == null) {
      TreeSet<String> known = new TreeSet<>(modes.keySet());
      known.add(STRICT);
      throw new HypercallException(
          Errno.EINVAL,
          "there is no DMA mode %s; there is %s".formatted(name, String.join(", ", known)));
    }
    return factory;
  }

  private void requirePassThrough(Domain domain, DmaModeFactory factory, RequesterId id) {
    if (domain.domid() != 0) {
      throw new HypercallException(
          Errno.EPERM,
          "DMA mode %s lets a device reach all of the machine's memory and is for domain 0 alone; choose another: domid=%d"
              .formatted(factory.name(), domain.domid()));
    }
    if (!mayPassThrough) {
      throw new HypercallException(
          Errno.EPERM,
          "DMA mode %s is off on this machine; start it with pass-through (--dma-passthrough) or choose another: device=%s"
              .formatted(factory.name(), id));
    }
    LOG.log(
        Level.WARNING,
        "device at {0} is let through to all of the machine''s memory, by DMA mode {1}",
        id,
        factory.name());
  }
}

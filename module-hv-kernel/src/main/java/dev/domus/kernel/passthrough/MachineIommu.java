package dev.domus.kernel.passthrough;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.pci.MessageTable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The machine's IOMMU: made, with its tables, when the first function is plugged in, so that a
 * machine without devices has none. Thread-safe.
 */
public final class MachineIommu implements AutoCloseable {
  private final Supplier<IommuUnit> maker;
  private final Function<IommuUnit, AutoCloseable> watch;
  private final ConcurrentHashMap<Integer, IoDomain> spaces = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<RequesterId, IoDomain> driverSpaces = new ConcurrentHashMap<>();
  private Parts parts;

  private record Parts(IommuUnit unit, MessageTable messages, AutoCloseable watch) {}

  /**
   * Makes it known.
   *
   * @param maker makes the unit, or throws an {@link IllegalStateException} if there is no memory
   * @param watch watches its faults until it is closed
   */
  public MachineIommu(Supplier<IommuUnit> maker, Function<IommuUnit, AutoCloseable> watch) {
    this.maker = maker;
    this.watch = watch;
  }

  private synchronized Parts parts() {
    if (parts == null) {
      IommuUnit unit = maker.get();
      parts = new Parts(unit, new MessageTable(unit), watch.apply(unit));
    }
    return parts;
  }

  /** The unit. */
  public IommuUnit unit() {
    return parts().unit;
  }

  /** Makes a domain's I/O address space known. */
  void enter(int domid, IoDomain space) {
    spaces.put(domid, space);
  }

  /** A domain has no I/O address space any more. */
  void leave(int domid) {
    spaces.remove(domid);
  }

  /** The I/O address space of a domain that has a device or is getting one. */
  public IoDomain space(int domid) {
    return spaces.get(domid);
  }

  /** A function gets an address space of its own, instead of its domain's. */
  public void enter(RequesterId function, IoDomain space) {
    driverSpaces.put(function, space);
  }

  /** A function has no address space of its own any more. */
  public void leave(RequesterId function) {
    driverSpaces.remove(function);
  }

  /** The I/O address space that a function has when it is a domain's: its own, or the domain's. */
  public IoDomain space(int domid, RequesterId function) {
    IoDomain own = driverSpaces.get(function);
    return own != null ? own : space(domid);
  }

  /** Where functions' messages go. */
  public MessageTable messages() {
    return parts().messages;
  }

  /** Gives its tables back; no function is left, and no domain has an address space. */
  @Override
  public synchronized void close() {
    if (parts != null) {
      try {
        parts.watch.close();
      } catch (Exception e) {
        throw new IllegalStateException("the watch of faults does not end", e);
      }
      parts.unit.close();
      parts = null;
    }
  }
}

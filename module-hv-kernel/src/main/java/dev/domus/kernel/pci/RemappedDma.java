package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.RequesterId;
import java.lang.System.Logger.Level;
import java.util.function.IntFunction;

/**
 * What a function reaches, by the IOMMU: its port is bound to its requester id, which is attached
 * to the address space of whoever has the function, or to none. Without its bus-master bit, and in
 * quarantine, the port is blocked besides, so that what a device goes on trying makes no faults.
 */
public final class RemappedDma implements FunctionDma {
  private static final System.Logger LOG = System.getLogger(RemappedDma.class.getName());

  private final RequesterId id;
  private final IommuUnit unit;
  private final IntFunction<IoDomain> spaces;
  private final DmaPort port;

  /**
   * Makes the port of a function, which reaches nothing.
   *
   * @param spaces the address space of a domain
   */
  public RemappedDma(RequesterId id, IommuUnit unit, IntFunction<IoDomain> spaces) {
    this.id = id;
    this.unit = unit;
    this.spaces = spaces;
    port = unit.newPort(id);
    port.block();
  }

  @Override
  public DmaPort port() {
    return port;
  }

  @Override
  public boolean attach(int domid) {
    try {
      unit.attach(id, spaces.apply(domid));
      return true;
    } catch (IllegalStateException noMemory) {
      LOG.log(Level.WARNING, "device at {0} cannot be given away: {1}", id, noMemory.getMessage());
      return false;
    }
  }

  @Override
  public boolean detach() {
    try {
      unit.detach(id);
      return true;
    } catch (IllegalStateException accessDoesNotEnd) {
      return false;
    }
  }

  @Override
  public void enable(boolean busMaster) {
    if (busMaster) {
      port.unblock();
    } else {
      port.block();
    }
  }

  @Override
  public void quarantine() {
    port.block();
    detach();
  }

  @Override
  public void message(long address, int data) {
    port.interrupt(address, data);
  }

  @Override
  public void close() {
    detach();
    port.revoke();
  }
}

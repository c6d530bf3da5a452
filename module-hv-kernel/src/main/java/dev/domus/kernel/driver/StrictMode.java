package dev.domus.kernel.driver;

import dev.domus.iommu.dma.DmaProtection;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.device.DmaResources;

/** The mode that every machine has. */
final class StrictMode implements DmaModeFactory, DmaMode {
  static final StrictMode INSTANCE = new StrictMode();

  private StrictMode() {}

  @Override
  public String name() {
    return Drivers.STRICT;
  }

  @Override
  public String description() {
    return Drivers.STRICT_DESCRIPTION;
  }

  @Override
  public DmaMode create(DmaResources resources) {
    return this;
  }

  @Override
  public long map(DmaSpace space, long[] mfns, int from, int count, int permissions, long limit) {
    return DmaProtection.STRICT.map(space, mfns, from, count, permissions, limit);
  }

  @Override
  public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
    return DmaProtection.STRICT.map(space, mfn, count, permissions, limit);
  }

  @Override
  public void unmap(DmaSpace space, long iova, long pages) {
    DmaProtection.STRICT.unmap(space, iova, pages);
  }

  @Override
  public void settle(DmaSpace space) {
    DmaProtection.STRICT.settle(space);
  }
}

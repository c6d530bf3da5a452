package dev.domus.dma.modes;

import dev.domus.iommu.dma.DmaSpace;
import dev.domus.kernel.device.DmaMode;

/**
 * Passthrough: the device addresses the machine's memory itself, and reaches all of it. Mapping is
 * arithmetic; frames that do not follow each other have no common range of addresses, and a driver
 * gives the device each of them by itself.
 */
final class Passthrough implements DmaMode {
  private static final int PAGE = 12;

  @Override
  public long map(DmaSpace space, long[] mfns, int from, int count, int permissions, long limit) {
    for (int i = 1; i < count; i++) {
      if (mfns[from + i] != mfns[from] + i) {
        return DmaSpace.NO_ADDRESS;
      }
    }
    return map(space, mfns[from], count, permissions, limit);
  }

  @Override
  public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
    return mfn + count > limit >>> PAGE ? DmaSpace.NO_ADDRESS : mfn << PAGE;
  }

  @Override
  public void unmap(DmaSpace space, long iova, long pages) {
    // the device goes on reaching it
  }

  @Override
  public void settle(DmaSpace space) {
    // there is nothing that could be waited for
  }

  @Override
  public long longestOpenNanos() {
    return Long.MAX_VALUE;
  }
}

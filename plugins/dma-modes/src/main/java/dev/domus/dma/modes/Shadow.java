package dev.domus.dma.modes;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.iommu.iova.IovaAllocator;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaResources;

/**
 * Shadow: the device reaches pages of the mode's own, which are mapped once and stay so, and data
 * is copied between them and the driver's. Nothing of the driver's is ever mapped. So nothing is
 * invalidated, and the device never sees the rest of a page of which the driver has mapped a part.
 *
 * <pre>
 *   driver's pages      ..|dddddddd|....      what was mapped, to the byte
 *                            |  ^
 *                   toDevice v  | fromDevice
 *   mode's pages        00|dddddddd|0000      what the device reaches
 * </pre>
 *
 * <h2>Whose data is in the mode's pages</h2>
 *
 * Those of the mapping that has them, between mapping and unmapping, as far as they were copied or
 * the device has written; zeros otherwise, since an unmapping clears its pages. What a device
 * writes later than that it finds there itself, and whoever has the pages next may copy it out:
 * such a device could write the same once more, so nobody is shown what the device does not have.
 * But nobody's pages outside are ever written by it.
 *
 * <h2>Permissions</h2>
 *
 * The pages are mapped for reading and writing, since a permission that changed with each mapping
 * would have to be invalidated. A device that writes what it may only read writes the mode's page,
 * which is not copied back: that is up to whoever calls {@link #fromDevice}, and is checked here
 * once more.
 *
 * <h2>Which pages</h2>
 *
 * Ranges come from an allocator of addresses, of which page n + 1 stands for the mode's page n. A
 * mapping that finds no room is refused for want of memory; drivers come again when they have
 * unmapped something.
 */
final class Shadow implements DmaMode {
  /** The mode's memory: 4 MiB, as much as 1,024 requests of a page that are under way. */
  static final int PAGES = 1024;

  private static final int PAGE = 12;
  private static final int IN_PAGE = (1 << PAGE) - 1;
  private static final int BOTH = IoDomain.READ | IoDomain.WRITE;

  private final DmaResources resources;
  private final long[] frames;
  private final IovaAllocator ranges;

  /** Address of the mode's first page, for the device. */
  private final long first;

  /** By page of the mode's: the driver's frame. Between mapping and unmapping. */
  private final long[] originals;

  /** By first page of a mapping: how many pages it has, or 0, and what the device may. */
  private final int[] lengths;

  private final int[] permissions;

  Shadow(DmaResources resources) {
    this.resources = resources;
    frames = resources.frames();
    originals = new long[frames.length];
    lengths = new int[frames.length];
    permissions = new int[frames.length];
    ranges = new IovaAllocator(frames.length + 1L << PAGE);
    first = resources.space().map(frames, 0, frames.length, BOTH, Long.MAX_VALUE);
    if (first < 0) {
      throw new IllegalStateException(
          "no memory for the I/O page tables of %d pages; give the machine more: device=%s"
              .formatted(frames.length, resources.device()));
    }
  }

  // ---- mapping

  @Override
  public long map(DmaSpace space, long[] mfns, int from, int count, int rights, long limit) {
    int slot = take(count, rights, limit);
    if (slot >= 0) {
      System.arraycopy(mfns, from, originals, slot, count);
    }
    return slot < 0 ? slot : address(slot);
  }

  @Override
  public long map(DmaSpace space, long mfn, long count, int rights, long limit) {
    int slot = take(count, rights, limit);
    for (int i = 0; slot >= 0 && i < count; i++) {
      originals[slot + i] = mfn + i;
    }
    return slot < 0 ? slot : address(slot);
  }

  /** The first page of a range of the mode's, or what {@link DmaSpace} answers. */
  private int take(long count, int rights, long limit) {
    if (count > frames.length || first + ((long) frames.length << PAGE) > limit) {
      return (int) DmaSpace.NO_ADDRESS;
    }
    long range = ranges.allocate(count, Long.MAX_VALUE);
    if (range < 0) {
      return (int) DmaSpace.NO_MEMORY;
    }
    int slot = (int) (range >>> PAGE) - 1;
    permissions[slot] = rights;
    lengths[slot] = (int) count;
    return slot;
  }

  private long address(int slot) {
    return first + ((long) slot << PAGE);
  }

  @Override
  public void unmap(DmaSpace space, long iova, long pages) {
    int slot = slot(iova);
    if (slot < 0 || slot >= frames.length || pages < 1 || lengths[slot] != pages) {
      throw new IllegalArgumentException(
          "not mapped as this range: iova=0x%x pages=%d".formatted(iova, pages));
    }
    lengths[slot] = 0;
    for (int i = slot; i < slot + pages; i++) {
      resources.clear(frames[i] << PAGE, 1 << PAGE);
    }
    ranges.free(slot + 1L << PAGE, pages);
  }

  private int slot(long iova) {
    long slot = iova - first >> PAGE;
    return slot < 0 || slot >= frames.length ? -1 : (int) slot;
  }

  @Override
  public void settle(DmaSpace space) {
    // no page of a driver's is ever open
  }

  // ---- copying

  @Override
  public void toDevice(DmaSpace space, long iova, long length) {
    copy(iova, length, IoDomain.READ);
  }

  @Override
  public void fromDevice(DmaSpace space, long iova, long length) {
    copy(iova, length, IoDomain.WRITE);
  }

  private void copy(long iova, long length, int permission) {
    int slot = slot(iova);
    int head = slot < 0 ? -1 : head(slot);
    long end = (iova & IN_PAGE) + length + IN_PAGE >>> PAGE;
    if (head < 0
        || length < 1
        || slot + end > head + lengths[head]
        || (permissions[head] & permission) == 0) {
      throw new IllegalArgumentException(
          "not mapped, or not to be copied that way: iova=0x%x length=%d".formatted(iova, length));
    }
    long done = 0;
    while (done < length) {
      int page = (int) (iova + done - first >> PAGE);
      long inPage = iova + done & IN_PAGE;
      long part = Math.min(length - done, (1 << PAGE) - inPage);
      long mine = (frames[page] << PAGE) + inPage;
      long theirs = (originals[page] << PAGE) + inPage;
      if (permission == IoDomain.READ) {
        resources.copy(theirs, mine, part);
      } else {
        resources.copy(mine, theirs, part);
      }
      done += part;
    }
  }

  /** The first page of the mapping that a page is in, or −1. */
  private int head(int slot) {
    for (int head = slot; head >= 0; head--) {
      if (lengths[head] != 0) {
        return slot < head + lengths[head] ? head : -1;
      }
    }
    return -1;
  }
}

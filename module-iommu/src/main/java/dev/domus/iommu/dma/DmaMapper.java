package dev.domus.iommu.dma;

/**
 * The calls of a driver: one device's mappings, in one space, under one protection.
 *
 * <p>Answers are addresses for the device, or {@link DmaSpace#NO_ADDRESS} or {@link
 * DmaSpace#NO_MEMORY}, which are negative. {@link #unmap} gets the address and the length that the
 * mapping had.
 *
 * <p>Thread-safe; nothing is allocated on the Java heap.
 */
public final class DmaMapper {
  private static final int PAGE = 12;
  private static final int IN_PAGE = (1 << PAGE) - 1;

  private final DmaSpace space;
  private final DmaProtection protection;
  private final long limit;

  /**
   * Makes a device's calls.
   *
   * @param space where its mappings are
   * @param protection how they end
   * @param limit the device reaches addresses below this: {@link
   *     dev.domus.iommu.iova.IovaAllocator#LIMIT_32_BIT}, say, or {@link Long#MAX_VALUE}
   */
  public DmaMapper(DmaSpace space, DmaProtection protection, long limit) {
    this.space = space;
    this.protection = protection;
    this.limit = limit;
  }

  /**
   * Maps one buffer that is contiguous in machine memory.
   *
   * @param ma machine address of its first byte
   * @param length bytes; all of the pages that it touches can be reached
   * @param permissions of {@link dev.domus.iommu.IoDomain}
   * @return the address of its first byte
   */
  public long mapSingle(long ma, long length, int permissions) {
    check(length);
    long iova = protection.map(space, ma >>> PAGE, DmaSpace.pages(ma, length), permissions, limit);
    return iova < 0 ? iova : iova + (ma & IN_PAGE);
  }

  /**
   * Maps frames as one contiguous range: scatter–gather, merged by the IOMMU.
   *
   * @param mfns the frames, in the order in which the device is to see them
   * @param from index of the first
   * @param count how many
   * @param permissions of {@link dev.domus.iommu.IoDomain}
   * @return the address of the first one
   */
  public long mapFrames(long[] mfns, int from, int count, int permissions) {
    return protection.map(space, mfns, from, count, permissions, limit);
  }

  /** Ends a mapping of either kind. */
  public void unmap(long iova, long length) {
    check(length);
    protection.unmap(space, iova & ~(long) IN_PAGE, DmaSpace.pages(iova, length));
  }

  /**
   * Maps frames that driver and device use both all the time: rings, say. They are mapped
   * themselves, whatever the protection does with buffers.
   */
  public long mapCoherent(long[] mfns, int from, int count, int permissions) {
    return space.map(mfns, from, count, permissions, limit);
  }

  /** Ends a coherent mapping, at once. */
  public void unmapCoherent(long iova, int count) {
    space.unmap(iova, count);
  }

  /** The driver has written, the device will read. */
  public void toDevice(long iova, long length) {
    protection.toDevice(space, iova, length);
  }

  /** The device has written, the driver will read. */
  public void fromDevice(long iova, long length) {
    protection.fromDevice(space, iova, length);
  }

  private static void check(long length) {
    if (length <= 0) {
      throw new IllegalArgumentException("a buffer has at least one byte: length=" + length);
    }
  }
}

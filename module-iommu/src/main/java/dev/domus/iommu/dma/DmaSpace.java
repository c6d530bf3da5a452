package dev.domus.iommu.dma;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.iova.IovaAllocator;

/**
 * An I/O address space for drivers: a domain of translation, and which of its addresses are free.
 * What {@link DmaProtection}s are made of.
 *
 * <p>The domain does not join pages ({@link dev.domus.iommu.IommuUnit#newDomain(int, boolean)}), so
 * that what was mapped as one is unmapped as one, without a frame for a table.
 *
 * <p>Thread-safe.
 */
public final class DmaSpace {
  /** Instead of an address: the space has none of that size below the limit. */
  public static final long NO_ADDRESS = -1;

  /** Instead of an address: the machine has no frame for a table. */
  public static final long NO_MEMORY = -2;

  private static final int PAGE = 12;

  /** While the domain has not answered: its exception says what was wrong. */
  private static final int REFUSED = Integer.MIN_VALUE;

  private final IoDomain domain;
  private final IovaAllocator addresses;

  /**
   * Makes a space.
   *
   * @param domain nothing is mapped in it but by this object
   * @param addresses of that domain's width at most
   */
  public DmaSpace(IoDomain domain, IovaAllocator addresses) {
    this.domain = domain;
    this.addresses = addresses;
  }

  /** The domain. */
  public IoDomain domain() {
    return domain;
  }

  /**
   * Maps frames as one range of addresses.
   *
   * @param mfns the frames
   * @param from index of the first one
   * @param count how many
   * @param permissions of {@link IoDomain}
   * @param limit the range is below it
   * @return its address, {@link #NO_ADDRESS} or {@link #NO_MEMORY}
   */
  public long map(long[] mfns, int from, int count, int permissions, long limit) {
    long iova = addresses.allocate(count, limit);
    if (iova < 0) {
      return NO_ADDRESS;
    }
    int result = REFUSED;
    try {
      result = domain.map(iova, mfns, from, count, permissions);
    } finally {
      if (result != IoDomain.OK) {
        addresses.free(iova, count);
      }
    }
    return answer(iova, result);
  }

  /** Maps frames that follow each other; as {@link #map(long[], int, int, int, long)}. */
  public long map(long mfn, long count, int permissions, long limit) {
    long iova = addresses.allocate(count, limit);
    if (iova < 0) {
      return NO_ADDRESS;
    }
    int result = REFUSED;
    try {
      result = domain.map(iova, mfn, count, permissions);
    } finally {
      if (result != IoDomain.OK) {
        addresses.free(iova, count);
      }
    }
    return answer(iova, result);
  }

  private static long answer(long iova, int result) {
    if (result == IoDomain.OK) {
      return iova;
    }
    if (result == IoDomain.NO_MEMORY) {
      return NO_MEMORY;
    }
    throw new IllegalStateException(
        "somebody else maps in the domain of a DMA space: iova=0x%x".formatted(iova));
  }

  /**
   * Takes a range from the devices, at once, and frees its addresses.
   *
   * @throws IllegalArgumentException if it was not mapped as this range
   */
  public void unmap(long iova, long pages) {
    addresses.check(iova, pages);
    whole(iova, domain.unmap(iova, pages));
    addresses.free(iova, pages);
  }

  /**
   * Takes a range out of the tables. Devices may go on with what they have cached, and the
   * addresses stay taken, until {@link #flush} and then {@link #free}.
   *
   * @throws IllegalArgumentException if it was not mapped as this range
   */
  public void withdraw(long iova, long pages) {
    addresses.check(iova, pages);
    whole(iova, domain.withdraw(iova, pages));
  }

  private static void whole(long iova, long result) {
    if (result == IoDomain.NO_MEMORY) {
      throw new IllegalStateException(
          "somebody else maps in the domain of a DMA space: iova=0x%x".formatted(iova));
    }
  }

  /** Makes what was withdrawn unreachable. */
  public void flush() {
    domain.flush();
  }

  /** Frees the addresses of a range that was withdrawn and flushed. */
  public void free(long iova, long pages) {
    addresses.free(iova, pages);
  }

  /** Pages that a buffer lies in. */
  static long pages(long offset, long length) {
    return (offset & (1 << PAGE) - 1) + length + (1 << PAGE) - 1 >>> PAGE;
  }
}

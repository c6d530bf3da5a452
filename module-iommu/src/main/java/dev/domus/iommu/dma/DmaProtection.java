package dev.domus.iommu.dma;

/**
 * How mappings of a {@link DmaSpace} come about and end: the mode of protection. Each trades time
 * against how long, after an unmap, a device can still reach the pages.
 *
 * <ul>
 *   <li><i>strict</i> ({@link #STRICT}): not at all
 *   <li><i>deferred</i>: until a batch is full or old ({@link PendingUnmaps})
 *   <li><i>shadow</i>: devices reach buffers that stay mapped, and data is copied; {@link
 *       #toDevice} and {@link #fromDevice} are its moments
 *   <li><i>passthrough</i>: the address is the machine's; no space at all
 * </ul>
 *
 * <p>An implementation is called by any number of threads at once, and allocates nothing.
 *
 * <p>Whoever gives a frame of a mapping away calls {@link #settle} between unmap and that: then no
 * device reaches it, whatever the mode.
 */
public interface DmaProtection {
  /** Unmapped when unmapped. Any machine has it, with no plugin. */
  DmaProtection STRICT =
      new DmaProtection() {
        @Override
        public long map(
            DmaSpace space, long[] mfns, int from, int count, int permissions, long limit) {
          return space.map(mfns, from, count, permissions, limit);
        }

        @Override
        public long map(DmaSpace space, long mfn, long count, int permissions, long limit) {
          return space.map(mfn, count, permissions, limit);
        }

        @Override
        public void unmap(DmaSpace space, long iova, long pages) {
          space.unmap(iova, pages);
        }

        @Override
        public void settle(DmaSpace space) {
          // nothing is ever left open
        }
      };

  /**
   * Maps frames as one range; parameters and result of {@link DmaSpace#map(long[], int, int, int,
   * long)}.
   */
  long map(DmaSpace space, long[] mfns, int from, int count, int permissions, long limit);

  /** Maps frames that follow each other. */
  long map(DmaSpace space, long mfn, long count, int permissions, long limit);

  /**
   * Ends a mapping.
   *
   * @throws IllegalArgumentException if there is no such mapping
   */
  void unmap(DmaSpace space, long iova, long pages);

  /** Makes all that was unmapped before the call unreachable for devices. */
  void settle(DmaSpace space);

  /** The driver has written a mapped buffer, and the device is about to read it. */
  default void toDevice(DmaSpace space, long iova, long length) {
    // devices see memory itself
  }

  /** The device has written a mapped buffer, and the driver is about to read it. */
  default void fromDevice(DmaSpace space, long iova, long length) {
    // drivers see memory itself
  }
}

package dev.domus.iommu;

/**
 * What a unit can do: what VT-d's capability registers say of one.
 *
 * @param snoopControl leaves may have the snoop bit (ECAP.SC)
 * @param passThrough requesters may be let through untranslated (ECAP.PT); off unless somebody who
 *     trusts a device asks for it
 * @param largestLeaf 1, 2 or 3: pages up to 4 KiB, 2 MiB or 1 GiB (CAP.SSLPS)
 * @param faultRecords number of fault recording registers, 1 to 256 (CAP.NFR)
 * @param queueOrder binary logarithm of the invalidation queue's frames, 0 to 7 (IQA.QS)
 * @param interruptEntries entries of the interrupt remapping table, a power of two, 2 to 65536
 *     (IRTA.S)
 */
public record UnitSettings(
    boolean snoopControl,
    boolean passThrough,
    int largestLeaf,
    int faultRecords,
    int queueOrder,
    int interruptEntries) {
  /** Checks the ranges. */
  public UnitSettings {
    check("largestLeaf", largestLeaf, 1, SecondLevelFormat.LARGEST_LEAF);
    check("faultRecords", faultRecords, 1, 256);
    check("queueOrder", queueOrder, 0, 7);
    check("interruptEntries", interruptEntries, 2, 1 << 16);
    if (Integer.bitCount(interruptEntries) != 1) {
      throw new IllegalArgumentException(
          "must be a power of two: interruptEntries=" + interruptEntries);
    }
  }

  private static void check(String what, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          "out of range %d..%d: %s=%d".formatted(least, most, what, value));
    }
  }

  /**
   * All page sizes, snoop control, no pass-through, 64 fault records, 256 descriptors, 4,096
   * interrupts.
   */
  public static UnitSettings usual() {
    return new UnitSettings(true, false, SecondLevelFormat.LARGEST_LEAF, 64, 0, 4096);
  }

  /** The same with pass-through. */
  public UnitSettings withPassThrough() {
    return new UnitSettings(
        snoopControl, true, largestLeaf, faultRecords, queueOrder, interruptEntries);
  }
}

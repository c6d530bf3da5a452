package dev.domus.nvme;

import java.nio.charset.StandardCharsets;
import java.util.UUID;

/**
 * The namespace.
 *
 * @param disk what it is made of
 * @param blockOrder binary logarithm of the bytes of a block
 * @param serial of the controller, 1 to 20 characters of ASCII
 */
record Namespace(Disk disk, int blockOrder, String serial) {
  /** Its identifier, the only one. */
  static final int ID = 1;

  /** Number of blocks; what is left of the file at its end is not used. */
  long blocks() {
    return disk.bytes() >>> blockOrder;
  }

  /** Unique as far as the serial number is. */
  UUID uuid() {
    return UUID.nameUUIDFromBytes(("domus-nvme:" + serial).getBytes(StandardCharsets.UTF_8));
  }

  /** Whether blocks are not all there. Both arguments unsigned. */
  boolean isOutOfRange(long first, long count) {
    return Long.compareUnsigned(first, blocks()) >= 0
        || Long.compareUnsigned(count, blocks() - first) > 0;
  }

  long offset(long block) {
    return block << blockOrder;
  }
}

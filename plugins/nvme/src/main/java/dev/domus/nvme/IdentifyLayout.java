package dev.domus.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/**
 * The data structures of Identify, 4096 bytes each (5.15). What is not drawn is zero.
 *
 * <pre>
 *  controller (5.15.2.2)                            namespace (5.15.2.1)
 *     0 u16 VID     2 u16 SSVID                        0 u64 NSZE    8 u64 NCAP   16 u64 NUSE
 *     4     serial number, 20 characters              25 u8  NLBAF   0: one format
 *    24     model number, 40 characters               26 u8  FLBAS   0: that one
 *    64     firmware revision, 8 characters           33 u8  DLFEAT  of deallocated blocks
 *    77 u8  MDTS   80 u32 VER   111 u8 CNTRLTYPE      99 u8  NSATTR  bit 0: write protected
 *   258 u8  ACL   259 u8 AERL  260 u8 FRMW           104     NGUID, 16 bytes, big-endian
 *   261 u8  LPA   262 u8 ELPE  263 u8 NPSS           128 u32 LBAF0   | RP  | LBADS | MS |
 *   266 u16 WCTEMP             268 u16 CCTEMP                        25 24 23   16 15  0
 *   512 u8  SQES  513 u8 CQES                        active namespaces (5.15.2.3)
 *   516 u32 NN    520 u16 ONCS  525 u8 VWC             0 u32 identifiers, ascending, then zero
 *   768     SUBNQN, 256 characters, terminated       descriptors (5.15.2.4), each
 *  2048 u16 power state 0: maximum, centiwatts         0 u8 type  1 u8 length  4 value
 * </pre>
 */
final class IdentifyLayout {
  /** Size of each. */
  static final int BYTES = 4096;

  /** Firmware revision. */
  static final String REVISION = "1.0";

  private static final String MODEL = "Domus NVMe controller";

  /** Sizes of queue entries: required and most, by binary logarithm. */
  private static final int SQES = 0x66, CQES = 0x44;

  private static final int MDTS =
      Integer.numberOfTrailingZeros(Prps.MAX_BYTES / RegisterLayout.PAGE);

  /** Compare, Dataset Management, Write Zeroes. */
  private static final int ONCS = 1 | 1 << 2 | 1 << 3;

  /** There is a cache, and Flush of all namespaces at once. */
  private static final int VWC = 1 | 3 << 1;

  /** Get Log Page with offset and long length. */
  private static final int LPA_EXTENDED = 1 << 2;

  private static final int FRMW_ONE_SLOT_READ_ONLY = 1 << 1 | 1;
  private static final int CONTROLLER_TYPE_IO = 1;
  private static final int WARNING_KELVIN = 343, CRITICAL_KELVIN = 353;
  private static final int ABORTS = 3;
  private static final int POWER_CENTIWATTS = 500;
  private static final int TYPE_NGUID = 2, TYPE_UUID = 3;

  /** DLFEAT: deallocated blocks read as zeros, and Write Zeroes can deallocate. */
  private static final int DEALLOCATED_READS_ZERO = 1, ZEROES_DEALLOCATE = 1 << 3;

  private IdentifyLayout() {}

  // ---- words, little-endian, anywhere

  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong BIG_ENDIAN_LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

  static void putByte(MemorySegment to, long at, int value) {
    to.set(ValueLayout.JAVA_BYTE, at, (byte) value);
  }

  static void putShort(MemorySegment to, long at, int value) {
    to.set(SHORT, at, (short) value);
  }

  static void putInt(MemorySegment to, long at, int value) {
    to.set(INT, at, value);
  }

  static void putLong(MemorySegment to, long at, long value) {
    to.set(LONG, at, value);
  }

  /** Characters of ASCII, filled up with spaces. */
  static void putText(MemorySegment to, long at, int length, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i < length; i++) {
      putByte(to, at + i, i < bytes.length ? bytes[i] : ' ');
    }
  }

  private static void putUuid(MemorySegment to, long at, UUID value) {
    to.set(BIG_ENDIAN_LONG, at, value.getMostSignificantBits());
    to.set(BIG_ENDIAN_LONG, at + Long.BYTES, value.getLeastSignificantBits());
  }

  // ---- the structures, into zeroed memory

  static void controller(MemorySegment to, Namespace namespace) {
    putShort(to, 0, Controller.VENDOR);
    putShort(to, 2, Controller.VENDOR);
    putText(to, 4, 20, namespace.serial());
    putText(to, 24, 40, MODEL);
    putText(to, 64, 8, REVISION);
    putByte(to, 77, MDTS);
    putInt(to, 80, RegisterLayout.VERSION);
    putByte(to, 111, CONTROLLER_TYPE_IO);
    putByte(to, 258, ABORTS);
    putByte(to, 259, AsyncEvents.LIMIT);
    putByte(to, 260, FRMW_ONE_SLOT_READ_ONLY);
    putByte(to, 261, LPA_EXTENDED);
    putByte(to, 262, ErrorLog.ENTRIES - 1);
    putShort(to, 266, WARNING_KELVIN);
    putShort(to, 268, CRITICAL_KELVIN);
    putByte(to, 512, SQES);
    putByte(to, 513, CQES);
    putInt(to, 516, 1);
    putShort(to, 520, ONCS);
    putByte(to, 525, VWC);
    String name = "nqn.2014-08.org.nvmexpress:uuid:" + namespace.uuid();
    putText(to, 768, name.length(), name);
    putShort(to, 2048, POWER_CENTIWATTS);
  }

  static void namespace(MemorySegment to, Namespace namespace) {
    putLong(to, 0, namespace.blocks());
    putLong(to, 8, namespace.blocks());
    putLong(to, 16, namespace.blocks());
    putByte(to, 33, namespace.disk().canDiscard() ? DEALLOCATED_READS_ZERO | ZEROES_DEALLOCATE : 0);
    putByte(to, 99, namespace.disk().isReadOnly() ? 1 : 0);
    putUuid(to, 104, namespace.uuid());
    putInt(to, 128, namespace.blockOrder() << 16);
  }

  static void activeNamespaces(MemorySegment to, int above) {
    if (above == 0) {
      putInt(to, 0, Namespace.ID);
    }
  }

  static void descriptors(MemorySegment to, Namespace namespace) {
    putByte(to, 0, TYPE_NGUID);
    putByte(to, 1, 16);
    putUuid(to, 4, namespace.uuid());
    putByte(to, 20, TYPE_UUID);
    putByte(to, 21, 16);
    putUuid(to, 24, namespace.uuid());
  }
}

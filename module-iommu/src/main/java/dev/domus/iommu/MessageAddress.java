package dev.domus.iommu;

/**
 * A message-signalled interrupt as a device sends it: a write of four bytes into the range that is
 * set aside for it (Intel VT-d, 3.14 <i>Handling Requests to Interrupt Address Range</i>, 5.1.2.2
 * <i>Interrupt Requests in Remappable Format</i>).
 *
 * <pre>
 *   address  63        32 31     20 19           5  4   3    2     1 0
 *           +------------+---------+---------------+---+---+------+---+
 *           |     0      |  0xFEE  | handle (14:0) | 1 |SHV|handle|   |
 *           |            |         |               |   |   | (15) |   |
 *           +------------+---------+---------------+---+---+------+---+
 *   data     31          16 15                     0
 *           +--------------+-----------------------+
 *           |      0       | subhandle             |   both ignored if SHV is clear
 *           +--------------+-----------------------+
 * </pre>
 *
 * <p>Bit 4 clear is the compatibility format, by which a device would name a processor and a vector
 * itself. The index of the interrupt's entry is the handle, plus the subhandle if SHV is set.
 */
public final class MessageAddress {
  /** The first and last address of the range. */
  public static final long FIRST = 0xFEE0_0000L, LAST = 0xFEEF_FFFFL;

  static final long REMAPPABLE = 1 << 4;
  static final long SUBHANDLE_VALID = 1 << 3;

  private static final int HANDLE_SHIFT = 5;
  private static final int HANDLE_LOW = 0x7FFF;
  private static final int HANDLE_HIGH_SHIFT = 2;

  private MessageAddress() {}

  /** Whether a write to an address is an interrupt. */
  static boolean isInRange(long address) {
    return address >>> 20 == FIRST >>> 20;
  }

  /** The index that a message names. */
  static int index(long address, int data) {
    int handle =
        (int) (address >>> HANDLE_SHIFT) & HANDLE_LOW
            | ((int) (address >>> HANDLE_HIGH_SHIFT) & 1) << 15;
    return (address & SUBHANDLE_VALID) != 0 ? handle + (data & 0xFFFF) : handle;
  }

  /**
   * The address that a device is given for one message, or for several of which it adds the number
   * as data.
   *
   * @param index of the first message's entry, 0 to 65535
   * @param several whether the data are added
   */
  public static long of(int index, boolean several) {
    if (index < 0 || index > 0xFFFF) {
      throw new IllegalArgumentException(
          "no such interrupt index, they are 0..65535: index=" + index);
    }
    return FIRST
        | (long) (index & HANDLE_LOW) << HANDLE_SHIFT
        | (long) (index >>> 15) << HANDLE_HIGH_SHIFT
        | REMAPPABLE
        | (several ? SUBHANDLE_VALID : 0);
  }
}

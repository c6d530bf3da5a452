package dev.domus.toolstack.build;

/**
 * A range of virtual addresses. It may end at the very top of the address space, so its end is
 * never computed: only its last address is.
 *
 * @param first its first address
 * @param bytes its length, below 2<sup>62</sup>
 */
record AddressRange(long first, long bytes) {
  static final AddressRange EMPTY = new AddressRange(0, 0);

  private static final long LOWER_HALF_END = 0x0000_8000_0000_0000L;

  /**
   * Slots 256 to 271 of the L4 are the hypervisor's (xen-pv-abi.md, 1); the guest's upper part
   * starts here.
   */
  private static final long UPPER_HALF = 0xFFFF_8800_0000_0000L;

  /** Its last address; of no meaning for an empty range. */
  long last() {
    return first + bytes - 1;
  }

  /** Whether all of it is canonical and not the hypervisor's. */
  boolean isGuests() {
    if (first >= 0) {
      return bytes <= LOWER_HALF_END - first;
    }
    return first >= UPPER_HALF && bytes <= -first;
  }

  /** Whether two ranges that are the guest's have an address in common. */
  boolean overlaps(AddressRange other) {
    return Long.compareUnsigned(first, other.last()) <= 0
        && Long.compareUnsigned(other.first, last()) <= 0;
  }
}

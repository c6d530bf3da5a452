package dev.domus.dma;

/** What can be wrong: the register ERROR, and the status of a descriptor. */
enum ErrorCode {
  /** Nothing. */
  NONE(0),
  /** RING_BASE is not a multiple of 64, RING_ORDER is out of range, or the ring wraps around. */
  BAD_RING(0x10),
  /** TAIL is no index of the ring. */
  BAD_TAIL(0x11),
  /** The descriptor's operation does not exist. */
  BAD_OPERATION(0x12),
  /** A reserved field or flag of the descriptor is not zero. */
  RESERVED_FIELD(0x13),
  /** The descriptor's length is 0, or more than 16 MiB. */
  BAD_LENGTH(0x14),
  /** The descriptor's source or destination wraps around the end of addresses. */
  BAD_ADDRESS(0x15),
  /** A descriptor's NEXT is no multiple of 64, or a chain has more than 256 descriptors. */
  BAD_CHAIN(0x16),
  /** Memory did not let the engine read or write. */
  DMA_FAULT(0x20),
  /** Software stopped it: a descriptor's status only. */
  ABORTED(0x30);

  private final int code;

  ErrorCode(int code) {
    this.code = code;
  }

  /** The number that software sees. */
  int code() {
    return code;
  }
}

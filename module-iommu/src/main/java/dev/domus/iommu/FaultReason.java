package dev.domus.iommu;

/**
 * Why a request was blocked: the fault reason codes of Intel VT-d (7.1.3 and the tables of fault
 * conditions; those below 0x20 are of DMA remapping in legacy mode, the others of interrupt
 * remapping).
 */
public enum FaultReason {
  /** The present bit of the requester's root entry is clear. */
  ROOT_NOT_PRESENT(0x1),
  /** The present bit of the requester's context entry is clear: nobody gave it a domain. */
  CONTEXT_NOT_PRESENT(0x2),
  /** The context entry has a translation type or an address width that the unit has not. */
  CONTEXT_INVALID(0x3),
  /** The address is beyond the domain's address width. */
  BEYOND_ADDRESS_WIDTH(0x4),
  /** A write, and the page is not there or not writable. */
  NO_WRITE(0x5),
  /** A read, and the page is not there or not readable. */
  NO_READ(0x6),
  /** An entry names a table where the machine has no memory. */
  TABLE_INACCESSIBLE(0x7),
  /** The root table is where the machine has no memory. */
  ROOT_INACCESSIBLE(0x8),
  /** The context table is where the machine has no memory. */
  CONTEXT_INACCESSIBLE(0x9),
  /** A reserved bit of the root entry is set. */
  ROOT_RESERVED(0xA),
  /** A reserved bit of the context entry is set. */
  CONTEXT_RESERVED(0xB),
  /** A reserved bit of a paging entry is set. */
  ENTRY_RESERVED(0xC),
  /** The page lies in the range of interrupt messages, 0xFEEx_xxxx. */
  OUTPUT_IS_INTERRUPT(0xE),
  /** A reserved field of the interrupt request is not zero, or it is no double word. */
  INTERRUPT_REQUEST_RESERVED(0x20),
  /** The interrupt index is beyond the table. */
  INTERRUPT_INDEX(0x21),
  /** The present bit of the interrupt's entry is clear. */
  INTERRUPT_NOT_PRESENT(0x22),
  /** The interrupt table is where the machine has no memory. */
  INTERRUPT_TABLE_INACCESSIBLE(0x23),
  /** A reserved bit of the interrupt's entry is set. */
  INTERRUPT_ENTRY_RESERVED(0x24),
  /** An interrupt in compatibility format; these are blocked always. */
  INTERRUPT_COMPATIBILITY(0x25),
  /** The interrupt's entry is not for this requester. */
  INTERRUPT_SOURCE(0x26);

  private static final FaultReason[] BY_CODE = new FaultReason[0x40];

  static {
    for (FaultReason reason : values()) {
      BY_CODE[reason.code] = reason;
    }
  }

  private final int code;

  FaultReason(int code) {
    this.code = code;
  }

  /** The code in a fault record, and as the result of a {@link DmaPort}'s access. */
  public int code() {
    return code;
  }

  /** Whether it is interrupt remapping's: the record holds the interrupt's index, no address. */
  public boolean ofInterrupt() {
    return code >= INTERRUPT_REQUEST_RESERVED.code;
  }

  /**
   * The reason with a code.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static FaultReason of(int code) {
    FaultReason reason = code >= 0 && code < BY_CODE.length ? BY_CODE[code] : null;
    if (reason == null) {
      throw new IllegalArgumentException("no such fault reason: code=" + code);
    }
    return reason;
  }
}

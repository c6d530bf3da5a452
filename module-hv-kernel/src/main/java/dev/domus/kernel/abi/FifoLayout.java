package dev.domus.kernel.abi;

/**
 * The structures of the FIFO event ABI in a guest's pages (xen-pv-abi.md, 10.2).
 *
 * <pre>
 *   event word, u32       31       30      29      28    27 .. 17   16 .. 0
 *                         PENDING  MASKED  LINKED  BUSY             LINK
 *
 *   control block         0          4     8                     72
 *                         ready u32  -     head u32[16]
 *                         bit a priority
 * </pre>
 */
public final class FifoLayout {
  /** Bit of an event word. */
  public static final int PENDING = 1 << 31, MASKED = 1 << 30, LINKED = 1 << 29, BUSY = 1 << 28;

  /** Bits of an event word that name the next port of the queue; 0 at its end. */
  public static final int LINK_BITS = 17;

  /** Mask of {@link #LINK_BITS}. */
  public static final int LINK = (1 << LINK_BITS) - 1;

  /** Number of ports, port 0 included. */
  public static final int PORTS = 1 << LINK_BITS;

  /** log2 of the event words in a page. */
  public static final int WORDS_PER_PAGE_SHIFT = 10;

  /** Pages of a full event array. */
  public static final int PAGES = PORTS >>> WORDS_PER_PAGE_SHIFT;

  /** Queues of a vCPU; priority 0 is the highest. */
  public static final int PRIORITIES = 16;

  /** Priority of a port that is newly bound. */
  public static final int DEFAULT_PRIORITY = 7;

  /** Offset in the control block. */
  public static final int READY = 0, HEAD = 8;

  /** Size of the control block in bytes. */
  public static final int CONTROL_BLOCK_SIZE = HEAD + PRIORITIES * Integer.BYTES;

  private FifoLayout() {}
}

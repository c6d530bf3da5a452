package dev.domus.dma;

/**
 * The registers, in BAR 0. All are little-endian and are stored to with their own size; a store of
 * another size, or to what is read only, is ignored.
 *
 * <pre>
 *  0x00 u32  ID             r    0x314d4144, "DAM1" read as bytes 44 41 4d 31
 *  0x04 u32  LIMITS         r    | operations, bit n: has n | largest order |   of ring sizes
 *                                 31                      16 15            0
 *  0x08 u32  CONTROL        rw   | ABORT | PAUSE | ENABLE |
 *                                    2       1       0
 *  0x0c u32  STATUS         r    0 DISABLED, 1 ENABLED, 2 PAUSED, 3 ERROR
 *  0x10 u64  RING_BASE      rw   address of the ring, a multiple of 64
 *  0x18 u32  RING_ORDER     rw   the ring has 2^order descriptors, 1 to the largest order
 *  0x1c u32  TAIL           rw   doorbell: index behind the last descriptor that is ready
 *  0x20 u32  HEAD           r    index of the descriptor that is next, or under way
 *  0x24 u32  INT_CONTROL    rw   | threshold |    | ENABLE |
 *                                 15        8         0
 *  0x28 u32  INT_STATUS     rw1c | ERROR | COMPLETION |
 *                                    1         0
 *  0x2c u32  ERROR          r    an {@link ErrorCode}, 0 if there was none
 *  0x30 u32  ERROR_INDEX    r    HEAD when it happened
 *  0x34 u32  ERROR_REASON   r    with DMA_FAULT the reason that the port gave
 *  0x38 u64  ERROR_ADDRESS  r    of the descriptor it happened in, or of the ring
 *  0x40 u64  COMPLETED      r    descriptors done since ENABLE was set
 * </pre>
 *
 * <h2>Use</h2>
 *
 * <p><b>Enable.</b> Software sets RING_BASE and RING_ORDER while STATUS is DISABLED or ERROR (they
 * are taken when ENABLE goes from 0 to 1) and then ENABLE. HEAD and TAIL are 0 after that, and
 * errors are forgotten. It clears ENABLE to disable; the engine stops between two pieces of 64 KiB
 * and says so in STATUS.
 *
 * <p><b>Work.</b> Descriptors from HEAD to before TAIL, modulo the ring's size, are ready; they are
 * done in order. HEAD = TAIL means none, so a ring holds one less than its size. A doorbell is
 * never worth more than that.
 *
 * <p><b>Pause</b> stops between two descriptors of the ring, clearing it goes on. <b>Abort</b>
 * (reads as 0) stops at once: the descriptor under way ends with status ABORTED, HEAD goes behind
 * it, and the engine is paused, which CONTROL then shows. What is ready stays ready.
 *
 * <p><b>Errors.</b> A descriptor that makes no sense or faults, or a TAIL or a ring that makes
 * none, stops the engine with STATUS ERROR and HEAD where it was; ENABLE from 0 to 1 starts anew.
 * Nothing that software writes does more than that.
 *
 * <p><b>Interrupts.</b> A bit in INT_STATUS says why: so many completions that asked for it as the
 * threshold says (0 and 1: each), or at least one, and no descriptor is ready; an error. The
 * message (vector 0) is sent when a bit is set and ENABLE is, but not again before software has
 * cleared all bits: there is never more than one message for one store to INT_STATUS. Software
 * clears the bits first, and looks at descriptors then.
 */
final class RegisterLayout {
  /** Offset of a register. */
  static final int ID = 0x00,
      LIMITS = 0x04,
      CONTROL = 0x08,
      STATUS = 0x0c,
      RING_BASE = 0x10,
      RING_ORDER = 0x18,
      TAIL = 0x1c,
      HEAD = 0x20,
      INT_CONTROL = 0x24,
      INT_STATUS = 0x28,
      ERROR = 0x2c,
      ERROR_INDEX = 0x30,
      ERROR_REASON = 0x34,
      ERROR_ADDRESS = 0x38,
      COMPLETED = 0x40;

  /** Size of the region. */
  static final int BYTES = 4096;

  /** What ID reads as. */
  static final int ID_VALUE = 0x314d4144;

  /** The largest RING_ORDER: 4096 descriptors. */
  static final int MAX_ORDER = 12;

  /** Bit of CONTROL. */
  static final int ENABLE = 1, PAUSE = 2, ABORT = 4;

  /** Value of STATUS. */
  static final int DISABLED = 0, ENABLED = 1, PAUSED = 2, ERRED = 3;

  /** Field of INT_CONTROL. */
  static final int INT_ENABLE = 1, THRESHOLD_SHIFT = 8, THRESHOLD = 0xff;

  /** Bit of INT_STATUS. */
  static final int INT_COMPLETION = 1, INT_ERROR = 2;

  private RegisterLayout() {}

  /** What LIMITS reads as. */
  static int limits() {
    return DescriptorLayout.OPERATIONS << 16 | MAX_ORDER;
  }

  /** The size that a store to a register must have; 0 if it is read only, or there is none. */
  static int storeSize(long offset) {
    return switch ((int) offset) {
      case RING_BASE -> Long.BYTES;
      case CONTROL, RING_ORDER, TAIL, INT_CONTROL, INT_STATUS -> Integer.BYTES;
      default -> 0;
    };
  }
}

package dev.domus.nvme;

/**
 * Controller registers, in BAR 0 (3.1). Little-endian.
 *
 * <pre>
 *  0x0000 u64 CAP    r    | MPSMAX | MPSMIN |   | CSS  | - | DSTRD |  TO   |  -  | CQR | MQES |
 *                          55    52 51    48     44  37     35   32 31   24        16   15   0
 *  0x0008 u32 VS     r    | major | minor | tertiary |
 *                          31   16 15    8 7         0
 *  0x000c u32 INTMS  rw1s interrupt mask set: of no effect with MSI-X, which has masks of its own
 *  0x0010 u32 INTMC  rw1c interrupt mask clear
 *  0x0014 u32 CC     rw   | IOCQES | IOSQES |  SHN  |  AMS  | MPS |  CSS | - | EN |
 *                          23    20 19    16 15   14 13   11 10  7 6   4       0
 *  0x001c u32 CSTS   r    | SHST | CFS | RDY |
 *                          3    2   1     0
 *  0x0024 u32 AQA    rw   | ACQS | - | ASQS |   numbers of entries, less one
 *                          27  16     11   0
 *  0x0028 u64 ASQ    rw   address of the admin submission queue
 *  0x0030 u64 ACQ    rw   address of the admin completion queue
 *  0x1000 u32        w    doorbells: of queue q, submission at 8 q, completion at 8 q + 4
 * </pre>
 *
 * <p>There is no subsystem reset, no controller memory buffer and no boot partition; all else reads
 * as zero.
 */
final class RegisterLayout {
  /** Offset of a register. */
  static final int CAP = 0x00,
      VS = 0x08,
      INTMS = 0x0c,
      INTMC = 0x10,
      CC = 0x14,
      CSTS = 0x1c,
      AQA = 0x24,
      ASQ = 0x28,
      ACQ = 0x30,
      DOORBELLS = 0x1000;

  /** Size of the region: the registers and doorbells of 512 queues. */
  static final int BYTES = 0x2000;

  /** Entries of a queue at most. */
  static final int MAX_ENTRIES = 1024;

  /** The only memory page size: 4 KiB. */
  static final int PAGE = 4096;

  /** Bit of CC. */
  static final int CC_EN = 1;

  /** Bit or field of CSTS. */
  static final int CSTS_RDY = 1, CSTS_CFS = 2, CSTS_SHST = 3 << 2;

  /** Value of CSTS.SHST. */
  static final int SHST_OCCURRING = 1 << 2, SHST_COMPLETE = 2 << 2;

  /** What VS reads as: 1.4.0. */
  static final int VERSION = 0x00010400;

  private static final int DOORBELL_SHIFT = 2;
  private static final long CQR = 1L << 16;
  private static final long TO_10_SECONDS = 20L << 24;
  private static final long CSS_NVM = 1L << 37;

  private RegisterLayout() {}

  /** What CAP reads as. */
  static long cap() {
    return MAX_ENTRIES - 1 | CQR | TO_10_SECONDS | CSS_NVM;
  }

  /** Whether CC asks for the command set, page size and arbitration that there are. */
  static boolean isSupported(int cc) {
    return (cc >>> 4 & 7) == 0 && (cc >>> 7 & 15) == 0 && (cc >>> 11 & 7) == 0;
  }

  /** Whether CC asks for shutdown, normal or abrupt. */
  static boolean wantsShutdown(int cc) {
    int shn = cc >>> 14 & 3;
    return shn == 1 || shn == 2;
  }

  /** Binary logarithm of the size of entries in I/O submission queues. */
  static int submissionEntryOrder(int cc) {
    return cc >>> 16 & 15;
  }

  /** Binary logarithm of the size of entries in I/O completion queues. */
  static int completionEntryOrder(int cc) {
    return cc >>> 20 & 15;
  }

  static int adminSubmissionEntries(int aqa) {
    return (aqa & 0xfff) + 1;
  }

  static int adminCompletionEntries(int aqa) {
    return (aqa >>> 16 & 0xfff) + 1;
  }

  /** The queue of a doorbell. */
  static int doorbellQueue(long offset) {
    return (int) (offset - DOORBELLS) >>> DOORBELL_SHIFT + 1;
  }

  /** Whether a doorbell is a completion queue's. */
  static boolean isCompletionDoorbell(long offset) {
    return (offset >>> DOORBELL_SHIFT & 1) != 0;
  }
}

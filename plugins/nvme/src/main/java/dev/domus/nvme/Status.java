package dev.domus.nvme;

/**
 * What comes of a command: the status field of a completion (4.6.1) without the phase.
 *
 * <pre>
 *  | do not retry | more | CRD | type | code |
 *    14             13    12 11 10  8  7    0
 * </pre>
 *
 * <p>What would fail again has "do not retry" set; without it drivers repeat the command.
 */
final class Status {
  private static final int DNR = 1 << 14;
  private static final int SPECIFIC = 1 << 8 | DNR;
  private static final int MEDIA = 2 << 8;

  /** Generic command status. */
  static final int SUCCESS = 0,
      INVALID_OPCODE = 0x01 | DNR,
      INVALID_FIELD = 0x02 | DNR,
      DATA_TRANSFER_ERROR = 0x04,
      INTERNAL_ERROR = 0x06,
      ABORT_REQUESTED = 0x07 | DNR,
      SQ_DELETED = 0x08 | DNR,
      INVALID_NAMESPACE = 0x0b | DNR,
      SEQUENCE_ERROR = 0x0c | DNR,
      PRP_OFFSET_INVALID = 0x13 | DNR,
      WRITE_PROTECTED = 0x20 | DNR,
      LBA_OUT_OF_RANGE = 0x80 | DNR;

  /** Command specific status. */
  static final int COMPLETION_QUEUE_INVALID = SPECIFIC,
      INVALID_QUEUE_ID = SPECIFIC | 0x01,
      INVALID_QUEUE_SIZE = SPECIFIC | 0x02,
      EVENT_REQUEST_LIMIT = SPECIFIC | 0x05,
      INVALID_VECTOR = SPECIFIC | 0x08,
      INVALID_LOG_PAGE = SPECIFIC | 0x09,
      INVALID_QUEUE_DELETION = SPECIFIC | 0x0c,
      FEATURE_NOT_SAVEABLE = SPECIFIC | 0x0d;

  /** Media and data integrity errors. */
  static final int WRITE_FAULT = MEDIA | 0x80,
      UNRECOVERED_READ = MEDIA | 0x81,
      COMPARE_FAILURE = MEDIA | 0x85 | DNR;

  /**
   * Not a status: the command has no completion, or not now (an event request that waits, a command
   * whose controller was reset).
   */
  static final int NONE = -1;

  private Status() {}
}

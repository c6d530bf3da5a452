package dev.domus.xenstore.store;

/**
 * What a domain may use of the store. Domain 0 is not limited: whoever controls it controls the
 * machine.
 *
 * <p>Together they bound the memory that one domain can occupy: its nodes' values and names (4
 * MiB), its watches' paths and tokens (½ MiB), events that wait for it ({@link #QUEUED_EVENT_BYTES}
 * and one a watch), what its transactions have noted (10 × 256 KiB), and the old versions of its
 * own nodes that its open transactions keep.
 */
public final class Quota {
  /** Nodes owned; ENOSPC beyond. */
  public static final int NODES = 1000;

  /** Bytes of one value; ENOSPC beyond. */
  public static final int VALUE_BYTES = 2048;

  /** Watches of one connection; E2BIG beyond. */
  public static final int WATCHES = 128;

  /** Open transactions of one connection; ENOSPC beyond. */
  public static final int TRANSACTIONS = 10;

  /** Nodes that one transaction reads or changes; ENOSPC beyond. */
  public static final int TRANSACTION_NODES = 1024;

  /** Bytes of paths and values that one transaction has to keep; ENOSPC beyond. */
  public static final int TRANSACTION_BYTES = 256 * 1024;

  /**
   * Bytes of events that wait for a client which does not take them. Beyond, a watch has at most
   * one more, for the path that it watches: the client learns that it has to look at all of it.
   * This holds for every client.
   */
  public static final int QUEUED_EVENT_BYTES = 64 * 1024;

  /**
   * Longest token of a watch: with the longest path, an event still fits into one message. E2BIG
   * beyond.
   */
  public static final int TOKEN_BYTES = 1000;

  private Quota() {}
}

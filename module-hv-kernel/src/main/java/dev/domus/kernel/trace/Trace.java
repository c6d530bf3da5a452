package dev.domus.kernel.trace;

import java.util.List;

/**
 * The machine's trace: off until somebody starts it. Thread-safe.
 *
 * <pre>
 *   start → session → session.reader(), as many as are wanted → reader.next … → session.close
 * </pre>
 */
public interface Trace {
  /**
   * Begins to record, into new buffers.
   *
   * @throws IllegalStateException if it is being recorded already
   */
  Session start(TraceSpec spec);

  /** The time that records bear, now. */
  long nanoTime();

  /**
   * Names that records speak of by number, their place in this list. It only grows.
   *
   * @see TraceEvent#SWAP
   */
  List<String> names();

  /**
   * A time of recording. Its buffers live as long as it or one of its readers is held; those of
   * pCPUs until the next session at the longest.
   */
  interface Session extends AutoCloseable {
    /** When it began, on the clock of records. */
    long startNanos();

    /** What is recorded. */
    TraceSpec spec();

    /** Reads from the oldest record that is still there. Each reader sees all records. */
    TraceReader reader();

    /**
     * Records that were not written because all buffers of threads other than pCPUs' were in use by
     * others at that moment.
     */
    long dropped();

    /** Ends it. Records written so far can still be read. */
    @Override
    void close();
  }
}

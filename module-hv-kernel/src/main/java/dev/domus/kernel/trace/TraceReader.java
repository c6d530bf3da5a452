package dev.domus.kernel.trace;

/**
 * Reads the buffers of a session while they are being written. It holds no writer up: what is
 * overwritten before it was read is counted as lost. For one thread at a time.
 */
public interface TraceReader {
  /**
   * Fetches records that follow those fetched before, in the order in which they were written to
   * one buffer. Buffers take turns.
   *
   * @return whether there were any, or any were lost
   */
  boolean next(TraceBatch batch);

  /** How many records it never saw because they were overwritten. */
  long lost();
}

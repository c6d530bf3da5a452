package dev.domus.kernel.service;

/**
 * A range of I/O memory or ports that belongs to a device, until it is closed. Which guests may
 * reach it is a matter of its own. After {@link #close} has returned no call of the handler is
 * under way and none will come; what guests then read there is all ones, and what they write is
 * lost, as with a device that was pulled. Thread-safe.
 */
public interface IoClaim extends AutoCloseable {
  /** The first frame, or the first port. */
  long first();

  /** Number of frames or ports. */
  long count();

  /** Says whether it has been given up. */
  boolean isClosed();

  /** Gives the range up; does nothing the second time. Not to be called by the handler. */
  @Override
  void close();
}

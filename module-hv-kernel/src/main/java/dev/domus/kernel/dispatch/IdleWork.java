package dev.domus.kernel.dispatch;

/**
 * What an idle pCPU does before it parks, in pieces: between two of them it looks whether there is
 * something to run, so a piece is what it may add to the latency of a wake-up. On an idle pCPU's
 * thread a piece takes less time than being unparked does. Called by any number of pCPUs at once,
 * without any lock.
 */
@FunctionalInterface
public interface IdleWork {
  /** There is nothing to do. */
  IdleWork NONE = () -> false;

  /**
   * Does a piece of at most a few microseconds; does not block and throws nothing.
   *
   * @return whether there may be more; if not, the pCPU parks
   */
  boolean doSome();
}

package dev.domus.kernel.dispatch;

/**
 * What a pCPU runs: the kernel's vCPU, seen from the dispatcher.
 *
 * <p>Blocking without losing a wake-up takes both sides. The runner, about to return {@link
 * SliceEnd#BLOCKED} or {@link SliceEnd#OFFLINE}, calls {@link DispatchUnit#prepareToBlock}, then
 * looks once more at what it would wait for (pending events; is it still down?), and returns only
 * if there is nothing. Who changes that condition does so first and then calls {@link
 * DispatchUnit#wake}. A wake after {@code prepareToBlock} makes the unit runnable again at once.
 */
public interface Runner {
  /** Why {@link #runSlice} returned. */
  enum SliceEnd {
    /** The deadline has passed. */
    EXPIRED,
    /** {@link #preempt} was called. */
    PREEMPTED,
    /** The guest gave the pCPU up (SCHEDOP_yield). */
    YIELDED,
    /** The guest waits for an event. {@link DispatchUnit#wake} ends it. */
    BLOCKED,
    /**
     * The vCPU is down or its domain is dying. {@link DispatchUnit#wake} ends this too: it differs
     * from blocked only in the run state.
     */
    OFFLINE
  }

  /**
   * Runs guest code on the calling pCPU thread until the deadline, a {@link #preempt}, a yield, a
   * block, or the vCPU goes offline. Never throws for what a guest does; if it throws all the same,
   * the unit is taken offline for good and {@link #crashed} is called.
   *
   * <p>It may be called again at once with a later deadline: if the host had the CPU for a part of
   * the slice, the unit gets that part now.
   *
   * @param deadlineNanos on the clock of {@link PcpuClock#nanoTime}
   */
  SliceEnd runSlice(long deadlineNanos);

  /**
   * Makes the present or next {@link #runSlice} return {@link SliceEnd#PREEMPTED} soon. Any thread,
   * never blocks.
   */
  void preempt();

  /** For thread names and messages: {@code d3v0}. */
  String label();

  /**
   * The vCPU was given a pCPU, or is about to give it up. Called by the pCPU thread that has it,
   * without locks: the place to write the guest's run state area and time info.
   *
   * @param state one of the constants of {@link RunstateInfo}
   * @param sinceNanos when
   */
  default void runstateChanged(int state, long sinceNanos) {}

  /** {@link #runSlice} threw. Called by the pCPU thread; the vCPU will not be run again. */
  default void crashed(Throwable cause) {}
}

package dev.domus.kernel.sched;

import java.util.Optional;

/**
 * Decides which unit (vCPU) a pCPU of one pool runs next.
 *
 * <h2>Design</h2>
 *
 * <p>Mechanism is the kernel's: threads, parking, preemption, blocking, lost wake-ups, run states,
 * CPU time. A scheduler keeps queues and an account, nothing else. The kernel tells it of each
 * change by verbs in pairs:
 *
 * <pre>
 *            insert                     wake                       pick
 *   (absent) ------&gt; asleep (inserted) ------&gt; runnable (waiting) ------&gt; running
 *            &lt;------                   &lt;------                    &lt;------
 *            remove                     sleep                      put(EXPIRED|PREEMPTED|YIELDED)
 *                        ^                                           |
 *                        '-------------------- put(SLEPT) -----------'
 * </pre>
 *
 * <p>The kernel reports the <em>level</em>, not each edge: a unit that blocks and is woken a
 * hundred times between two calls gives at most one {@code put(SLEPT)} and one {@code wake}. The
 * state that the diagram shows is what {@link SchedUnit#runnable()} and {@link
 * SchedUnit#runningOn()} answer during every call, already as it is after the change.
 *
 * <p>Hints that a guest gives come by the same verbs: SCHEDOP_yield as {@code put(YIELDED)},
 * SCHEDOP_block and SCHEDOP_poll as {@code put(SLEPT)}.
 *
 * <h2>Threads and locks</h2>
 *
 * <p>All methods but {@link #close} are called by pCPU threads of the pool, between two slices of
 * guest execution and never from inside a hypercall; a thread that wakes a vCPU never runs plugin
 * code. The kernel holds the run queue's lock during each call, so calls into one scheduler never
 * overlap and each happens before the next: a scheduler needs no lock of its own, and must take
 * none. A scheduler that is to scale to many pCPUs has its pool split into run queues ({@link
 * SchedulerFactory#runQueueOf}): each has an instance and a lock of its own, under this same
 * contract, and units go from one to the other by {@link #offer}. With a queue a pCPU, that is
 * per-pCPU locks and work stealing.
 *
 * <h2>Time</h2>
 *
 * <p>All times and durations are such as the host has really given to the pool. A host that is busy
 * with other things takes pCPUs away, often for longer than a slice; to a scheduler that did not
 * happen:
 *
 * <ul>
 *   <li>What a unit ran ({@code ranNanos}, {@link SchedUnit#runNanos}) is CPU time.
 *   <li>A slice is CPU time too: the kernel lets a unit go on for what was stolen of it, unless the
 *       pCPU is tickled, so {@link PutReason#EXPIRED} says that the slice was had, but for 1/64 of
 *       it at most.
 *   <li>{@code nowNanos} is the pool's time, which stands still while time is stolen from all
 *       pCPUs, and goes slower while it is stolen from some: in each nanosecond of it the pool
 *       delivers one nanosecond a pCPU, to units or to idling. {@link Decision#idleUntil} means
 *       this time.
 * </ul>
 *
 * <p>With several pCPUs {@code nowNanos} may be ahead for up to a slice, because what another pCPU
 * was robbed of is found out when its unit comes off, and stands still later to make up for it. So
 * {@code nowNanos} of {@link #pick} and {@link #put} must not be subtracted to find out what a unit
 * ran; that is {@code ranNanos}.
 *
 * <h2>What a scheduler may do</h2>
 *
 * <ul>
 *   <li>Keep one object per unit in {@link SchedUnit#data(Object)}.
 *   <li>Ask for a pCPU's attention with {@link SchedPool#tickle}: an idle one is woken, a busy one
 *       is preempted; either then calls {@link #pick} (after {@link #put}, if it ran something).
 *   <li>Say how long a unit may wait by its operator's wish ({@link SchedUnit#mayWaitNanos}), where
 *       that is longer than fair: for a budget, a window, a place.
 *   <li>Use what is offered here: {@link UnitQueue} for those who wait, {@link CpuSet} for those
 *       that idle, {@link CapBucket} for caps.
 *   <li>Do its periodic work when it is called: compare {@code nowNanos} with the time of the last
 *       accounting. If something must happen later on an idle pCPU, answer {@link
 *       Decision#idleUntil}.
 * </ul>
 *
 * <h2>What it must not do</h2>
 *
 * <ul>
 *   <li>Throw, block, wait, do I/O, start threads, look at a clock. A call should cost well under a
 *       microsecond, and {@code pick}, {@code put}, {@code wake} and {@code sleep} allocate
 *       nothing.
 *   <li>Pick what is not runnable, runs elsewhere, belongs to another pool or may not run on that
 *       pCPU; or give a slice outside {@link Decision#MIN_SLICE_NANOS} … {@link
 *       Decision#MAX_SLICE_NANOS}.
 *   <li>Lose a unit: one that is runnable gets a pCPU in bounded time, in proportion to what its
 *       weight and cap allow.
 *   <li>Call back ({@code tickle}, {@code data(x)}, {@code standingNanos(x)}) outside a call of the
 *       kernel.
 * </ul>
 *
 * <p>A scheduler that does one of these is put off the pool: the kernel's built-in round-robin
 * takes over at once, guests go on, and a fault report names the scheduler and what it did. It gets
 * no call after that.
 *
 * <h2>Swap</h2>
 *
 * <p>A pool changes its scheduler while guests run. At a rendezvous (no unit of the pool runs) the
 * kernel calls {@link #export} on the outgoing scheduler for every unit, clears the data slots, and
 * inserts every unit into the incoming one: those that have waited longest first, so that a FIFO
 * queue built by {@code insert} goes on fairly. What is handed over is in the unit: weight, cap,
 * affinity, run time so far, runnable or not, and the standing that {@code export} wrote. If the
 * incoming scheduler throws or hangs, the slots are put back and the outgoing one goes on as if
 * nothing had been: {@code export} must therefore leave it able to go on. After the swap the
 * outgoing one is closed.
 */
public interface Scheduler extends AutoCloseable {
  /**
   * Takes a unit in. It is asleep if it is new; at a swap it may be runnable, in which case it is
   * queued at once and no {@link #wake} follows. It is never running.
   */
  void insert(SchedUnit unit, long nowNanos);

  /** Forgets a unit, which is asleep. It may be inserted again later, perhaps in another pool. */
  void remove(SchedUnit unit, long nowNanos);

  /**
   * A unit that was asleep is runnable now. The scheduler queues it and tickles the pCPU that
   * should run it, if any: an idle one, or one whose unit it should preempt.
   */
  void wake(SchedUnit unit, long nowNanos);

  /** A unit that was waiting to run is asleep now, because it was paused. */
  void sleep(SchedUnit unit, long nowNanos);

  /**
   * Says what a pCPU does next. Nothing runs on it now.
   *
   * @param pcpu the asking pCPU, 0 … {@link SchedPool#pcpus()} - 1
   * @param nowNanos the pool's time; never less than in an earlier call
   * @param decision to be filled in; the kernel's, not to be kept
   */
  void pick(int pcpu, long nowNanos, Decision decision);

  /**
   * A unit that {@link #pick} gave to a pCPU has come off it. A {@link #pick} for that pCPU follows
   * under the same lock, unless a swap or the pool's end comes in between.
   *
   * @param reason why; the unit is still runnable, and to be queued, unless it is {@link
   *     PutReason#SLEPT}
   * @param ranNanos the CPU time it had, 0 or more; may exceed the slice a little
   */
  void put(SchedUnit unit, int pcpu, PutReason reason, long ranNanos, long nowNanos);

  /** Weight, cap, affinity or parameters of an inserted unit have changed, whatever its state. */
  default void adjust(SchedUnit unit, long nowNanos) {}

  /**
   * Writes what the next scheduler should know into {@link SchedUnit#standingNanos(long)}, which is
   * 0 before. The scheduler may have to go on after it.
   */
  default void export(SchedUnit unit, long nowNanos) {}

  /**
   * How much work waits and runs here, in units of the scheduler's own choice: what an account by
   * weights would call the sum of the weights. Asked after decisions, where the pool has several
   * run queues. Must be cheap.
   */
  default long load(long nowNanos) {
    return 0;
  }

  /**
   * Another run queue has nothing to run, or a smaller {@link #load}: names a unit that waits here
   * and should go there. The kernel then calls {@link #sleep}, {@link #export} and {@link #remove}
   * for it, and inserts it there, awake. Nothing is changed by this call itself.
   *
   * @param taker where it would go; a unit that it does not {@linkplain RunQueue#allows allow} must
   *     not be named
   * @return empty, as by default, if nothing had better go
   */
  default Optional<SchedUnit> offer(RunQueue taker, long nowNanos) {
    return Optional.empty();
  }

  /**
   * The scheduler will not be called again. Called by no pCPU thread, without the lock. Its units
   * are no longer its own.
   */
  @Override
  default void close() {}
}

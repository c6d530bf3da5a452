package dev.domus.kernel.dispatch;

import dev.domus.kernel.dispatch.Runner.SliceEnd;

/**
 * Several pCPUs that only ever run vCPUs of one domain at a time, as the hyperthreads of a core
 * should where domains must not watch each other through what they share. To the run queue and its
 * scheduler a core is one pCPU, its first, the <em>leader</em>; what runs there is a {@link
 * CoreUnit}, whose runner ({@link Gang}) spreads a slice over the core's {@link Place}s. So
 * everything above, decisions, swaps, faults, the watchdog, is the same for pCPUs and for cores.
 *
 * <h2>A turn</h2>
 *
 * <p>A turn is one call of {@link Gang#runSlice} by the leader's thread. Each place has a state:
 *
 * <pre>
 *            open (leader)           enter (place)
 *   CLOSED -----------------&gt; OPEN -----------------&gt; INSIDE
 *          &lt;-----------------      &lt;-----------------
 *            close (leader)          leave (place)
 * </pre>
 *
 * <p>Both ways in and out of OPEN are compare-and-set, so the leader closes a place or the place
 * enters it. The leader opens them all, is a place itself meanwhile, and closes them all before it
 * returns: <b>when {@code runSlice} has returned, no guest of this core is inside, and none gets in
 * before the next turn.</b> The isolation of domains rests on that and on nothing else: whatever
 * takes a unit off its pCPU does so after {@code runSlice} has returned. A vCPU that does not come
 * out of its guest keeps the leader in {@link #close}, and with it the core from everybody else.
 *
 * <p>Within a turn each place runs its vCPU of the unit while that one wants to run, and idles
 * while it does not. A vCPU that wakes starts at once: its waker unparks the place, and no
 * scheduler is asked. The turn ends when the slice is over, when it is preempted, when all vCPUs
 * sleep, or when the only one awake yields; the first to see that says {@link #end}, which preempts
 * all others.
 *
 * <h2>Who hears whom</h2>
 *
 * <p>Nobody here takes a lock. Each pair is a Dekker pair of volatile accesses:
 *
 * <ul>
 *   <li>{@code end} sets {@code over}, then preempts what is {@code current} at each place; a place
 *       sets {@code current}, then looks at {@code over} before it enters the guest.
 *   <li>A waker changes the vCPU's word, then reads the unit's {@code on} and the place's {@code
 *       parked}; a place sets {@code parked}, then looks at the word once more. The leader opens a
 *       place, then looks at the word, so it makes no difference whether the turn had begun. Where
 *       {@code on} is null the unit goes into the mailbox, and where it is about to become null,
 *       the leader looks at all words once more afterwards ({@link Seat}, {@code takeOff}).
 *   <li>A place leaves, then unparks the leader; the leader sets {@code parked}, then looks at the
 *       places' states and the vCPUs' words.
 * </ul>
 *
 * <h2>Time</h2>
 *
 * <p>A unit is charged the time for which it had the core, whether all its vCPUs ran or one, and
 * the coming together at the end of a turn: that is what nobody else could have. What the host
 * stole is left out, which is for each turn what it stole from the pCPU that it robbed most. That
 * is exact where one vCPU runs, where the host stops all at once, as the JVM does, and where all
 * wait for one that is late; else a little too much. Each vCPU's own CPU time is measured beside
 * that, by its place.
 */
final class Core {
  private static final int SPINS = 1_000;
  private static final long NAP_NANOS = 50_000;

  final Pcpu leader;
  final Place[] places;
  final PcpuClock clock;

  /** Whose turn it is, or was. */
  private volatile Gang gang;

  private volatile long deadlineNanos;

  /** No guest may be entered, and those inside are to leave. */
  private volatile boolean over = true;

  /** Why; null for a preemption that was meant for the turn before. */
  private volatile SliceEnd reason;

  /** When the turn began; 0 between turns. */
  private volatile long turnBeganNanos;

  /** The core's time, in all turns that are over. */
  private volatile long hadNanos;

  /** The places other than the leader's have no threads, or shall have none. */
  private volatile boolean dismissed = true;

  Core(Pcpu leader, int size) {
    this.leader = leader;
    this.clock = leader.seat.clock;
    this.places = new Place[size];
    for (int i = 0; i < size; i++) {
      places[i] = new Place(this, i, leader.number + i);
    }
  }

  Gang gang() {
    return gang;
  }

  long deadlineNanos() {
    return deadlineNanos;
  }

  boolean over() {
    return over;
  }

  boolean dismissed() {
    return dismissed;
  }

  // ------------------------------------------------------------------ the leader's thread

  /** Gives the places their threads, unless they have them: the leader itself may be a new one. */
  void staff() {
    if (dismissed) {
      dismissed = false;
      for (int i = 1; i < places.length; i++) {
        places[i].start();
      }
    }
  }

  /** Sends the threads of the places home, between two turns, and waits for them. */
  void dismiss() {
    dismissed = true;
    for (int i = 1; i < places.length; i++) {
      places[i].join();
    }
  }

  /** One turn. */
  SliceEnd turn(Gang next, long newDeadlineNanos) {
    long beganNanos = clock.nanoTime();
    turnBeganNanos = beganNanos;
    gang = next;
    deadlineNanos = newDeadlineNanos;
    reason = null;
    over = false;
    next.enter(this);
    try {
      if (!next.isPreempted()) {
        for (int i = 1; i < places.length; i++) {
          places[i].open();
        }
        places[0].lead();
      }
    } finally { // whatever may be wrong with the leader's part, the others come out
      if (!over) {
        end(SliceEnd.PREEMPTED, places[0]);
      }
      for (int i = 1; i < places.length; i++) {
        close(places[i]);
      }
      next.leave();
    }
    long most = 0;
    for (Place place : places) {
      most = Math.max(most, place.takeStolen());
    }
    hadNanos += Math.max(0, clock.nanoTime() - beganNanos - most);
    turnBeganNanos = 0;
    SliceEnd why = reason;
    return why == null ? SliceEnd.PREEMPTED : why;
  }

  private void close(Place place) {
    for (int i = 0; !place.close(); i++) {
      if (i < SPINS) {
        Thread.onSpinWait();
      } else {
        places[0].awaitOut(place, NAP_NANOS);
      }
    }
  }

  // ------------------------------------------------------------------ any thread

  /**
   * Ends the turn soon.
   *
   * @param why the first reason counts
   * @param sayer the place that says so and is about to leave by itself, or null
   */
  void end(SliceEnd why, Place sayer) {
    if (reason == null) {
      reason = why;
    }
    over = true;
    for (Place place : places) {
      if (place != sayer) {
        place.preempt();
      }
    }
    places[0].nudge();
  }

  /**
   * The core's time, which passes in turns only, as a thread's does while it runs: what goes by
   * between them is nobody's, and must not make up for what is stolen in the next.
   */
  PcpuClock.CpuTime time() {
    return () -> {
      long beganNanos = turnBeganNanos;
      return hadNanos + (beganNanos == 0 ? 0 : clock.nanoTime() - beganNanos);
    };
  }
}

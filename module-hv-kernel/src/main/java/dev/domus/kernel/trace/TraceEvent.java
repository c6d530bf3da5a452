package dev.domus.kernel.trace;

import java.util.Locale;
import java.util.Optional;

/**
 * The kinds of records, and what their fields {@code detail}, {@code a} and {@code b} mean. The
 * numbers are part of the layout of files: they are never given to another kind.
 *
 * <p><b>Times.</b> The time of a record is when the thing happened, and for what takes time
 * (hypercalls, picks) when it was over. A wake-up's time is read before the vCPU can run for it, a
 * block's before it can be woken from it; so in the order of times a vCPU's records read block,
 * wake, enqueue, pick, switch-in, switch-out, whichever threads wrote them. The exception is a vCPU
 * that others pause: whether it ran for a moment more than the order says is not recorded.
 */
public enum TraceEvent {
  /**
   * A blocked vCPU has something to do. {@code a}: the vCPU in whose time it was woken, as {@link
   * TraceRecord#vcpuKey}, or −1 for a thread that ran none.
   */
  WAKE(1, Group.SCHED),

  /** The scheduler was told that a vCPU is runnable. */
  ENQUEUE(2, Group.SCHED),

  /**
   * The scheduler decided. The vCPU is the one picked, or {@link TraceRecord#IDLE}. {@code a}: the
   * slice in nanoseconds, 0 if idle; {@code b}: how long the decision took in nanoseconds.
   */
  PICK(3, Group.SCHED),

  /** A vCPU begins to run on a pCPU. {@code a}: the slice in nanoseconds. */
  SWITCH_IN(4, Group.SCHED),

  /**
   * A vCPU has come off a pCPU. {@code detail}: why, the ordinal of a {@link
   * dev.domus.kernel.sched.PutReason}; {@code a}: the CPU time in nanoseconds that it is charged;
   * {@code b}: the run state it is in now, as in Xen's vcpu_runstate_info (1 runnable, 2 blocked, 3
   * offline).
   */
  SWITCH_OUT(5, Group.SCHED),

  /** A vCPU is not runnable any more. {@code detail}: its run state. */
  BLOCK(6, Group.SCHED),

  /** A vCPU was picked by another pCPU than the last time. {@code a}: the last one's number. */
  MIGRATE(7, Group.SCHED),

  /**
   * A pool's scheduler was to be replaced. {@code detail}: 1 if it was, 0 if that was refused;
   * {@code a}: names of the scheduler before (high half) and of the new one; {@code b}: for how
   * long pCPUs were held, in nanoseconds. Names are numbers, see {@link Trace#names}.
   */
  SWAP(8, Group.SWAP),

  /**
   * A scheduler was put off its pool. {@code detail}: 0 threw, 1 illegal pick, 2 overlong call, 3
   * starvation; {@code a}: names of the pool (high half) and of the scheduler.
   */
  SCHED_FAULT(9, Group.SWAP),

  /**
   * A hypercall returned; one that is continued returns several times. {@code detail}: the command,
   * for hypercalls that have one; {@code a}: its number (high half) and how long it took in
   * nanoseconds, at most 4.29 s; {@code b}: the result.
   */
  HYPERCALL(10, Group.HYPERCALL),

  /**
   * A port was made pending. The vCPU is the one that is notified; {@code a}: the port; {@code b}:
   * the vCPU in whose time it was sent, as in {@link #WAKE}.
   */
  EVENT(11, Group.EVENT),

  /**
   * A grant was used. {@code detail}: the command of grant_table_op; {@code a}: the granting domain
   * (high half) and the reference, or the mapping's handle for the end of a mapping; {@code b}: the
   * status, negative for errors, or the new handle.
   */
  GRANT(12, Group.GRANT),

  /**
   * A vCPU left guest mode by an exception. {@code detail}: the vector; {@code a}: the faulting
   * address of a page fault, else RIP; {@code b}: the error code.
   */
  FAULT(13, Group.FAULT);

  /** What is turned on and off together. */
  public enum Group {
    /** Wake-ups and the scheduler's doings. */
    SCHED,
    /** Schedulers that come and go. */
    SWAP,
    /** Hypercalls. */
    HYPERCALL,
    /** Event channels. */
    EVENT,
    /** Grants. */
    GRANT,
    /** Exceptions in guests. */
    FAULT;

    /** The name by which users choose it. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final TraceEvent[] BY_CODE = new TraceEvent[values().length + 1];

  static {
    for (TraceEvent event : values()) {
      BY_CODE[event.code] = event;
    }
  }

  private final int code;
  private final Group group;
  private final String label;

  TraceEvent(int code, Group group) {
    this.code = code;
    this.group = group;
    label = name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** The number that stands for it in records, 1 to 31. */
  public int code() {
    return code;
  }

  /** Its bit in a mask of events. */
  public int bit() {
    return 1 << code;
  }

  /** Which group it belongs to. */
  public Group group() {
    return group;
  }

  /** Its name as users see and write it. */
  public String label() {
    return label;
  }

  /** The kind of a number, if there is one. */
  public static Optional<TraceEvent> ofCode(int code) {
    return code > 0 && code < BY_CODE.length ? Optional.of(BY_CODE[code]) : Optional.empty();
  }
}

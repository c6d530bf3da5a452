package dev.domus.sched.simulator.engine;

/**
 * A scheduler did in simulation what the kernel would put it off its pool for. The message is one
 * line that names call, vCPU and values.
 */
public final class SchedulerFaultException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What a scheduler can do wrong. */
  public enum Kind {
    /** It does not work with these parameters, on this pool or with these vCPUs. */
    REFUSED,
    /** A call threw. */
    THREW,
    /** It picked or offered a vCPU, or gave a slice, that it may not. */
    ILLEGAL_PICK,
    /** A call did not return. */
    OVERLONG_CALL,
    /** A runnable vCPU got no pCPU in all the time that others had. */
    STARVATION,
    /** Its decisions provoke each other without end, and time stands still. */
    LIVELOCK
  }

  private final Kind kind;

  /** Makes the exception. */
  public SchedulerFaultException(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /** What it did wrong. */
  public Kind kind() {
    return kind;
  }
}

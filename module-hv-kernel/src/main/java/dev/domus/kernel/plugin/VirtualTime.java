package dev.domus.kernel.plugin;

import dev.domus.kernel.service.HypercallException;

/**
 * The time of a deterministic machine, in the hands of whoever drives it. It passes only inside
 * {@link #runUntil}; what is done to the machine is done between two calls, and so at an instant of
 * virtual time. Two machines of the same specification to which the same things are done at the
 * same instants are in the same state at every instant, bit for bit.
 *
 * <p>One driving thread; {@link #stop} may come from a service's callback as well.
 */
public interface VirtualTime {
  /** Why time has come to stand still. */
  enum Stop {
    /** It has come to where it was to stop. */
    TIME,
    /** A domain has shut down. */
    DOMAIN_ENDED,
    /** {@link VirtualTime#stop} was called. */
    ASKED,
    /** All vCPUs are asleep, and no timer will wake one. */
    NOTHING_TO_DO
  }

  /** Virtual nanoseconds since the machine was started, which are the guests' system time. */
  long nanos();

  /**
   * Lets time pass. It may come to stand a little later than asked for, at the end of what takes
   * time as a whole, such as a hypercall.
   *
   * @param nanos when to stop; {@link Long#MAX_VALUE} for not before something happens
   * @return why it stands still now
   */
  Stop runUntil(long nanos);

  /**
   * Makes time stand still at this instant: from what a service calls while time passes, such as
   * the receiver of a console's output.
   */
  void stop();

  /**
   * Returns when everything has happened that follows, without any time passing, from what was done
   * to the machine. Does nothing while time passes, and for services themselves.
   */
  void settle();

  /**
   * A number for all that a domain is at this instant: memory, registers, pending events, timers,
   * and the time. While the machine stands still.
   *
   * @return a SHA-256 hash in hexadecimal
   * @throws HypercallException ESRCH if there is no such guest domain
   */
  String stateHash(int domid);
}

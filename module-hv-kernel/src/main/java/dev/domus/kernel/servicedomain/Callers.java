package dev.domus.kernel.servicedomain;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.service.HypercallException;

/**
 * What a service domain's threads make hypercalls as. There are {@link Domain#CALLERS}, so as many
 * calls may be under way at once; who comes when all are taken waits, which is short: no hypercall
 * that goes this way waits for a guest. Thread-safe, allocates nothing.
 */
final class Callers {
  private static final int SPINS = 100;

  private final Domain domain;
  private final Caller[] callers = new Caller[Domain.CALLERS];

  /** The domain is ending: only what takes it apart makes calls. */
  private volatile boolean ending;

  Callers(Domain domain) {
    this.domain = domain;
    for (int i = 0; i < callers.length; i++) {
      callers[i] = new Caller(domain, i);
    }
  }

  int domid() {
    return domain.domid();
  }

  Domain domain() {
    return domain;
  }

  /**
   * A caller that is the calling thread's until it closes it.
   *
   * @throws HypercallException ESRCH if the domain has shut down or is ending
   */
  Caller enter() {
    for (int tries = 0; !ending && domain.mayRun(); tries++) {
      Caller caller = take();
      if (caller != null) {
        if (!ending && domain.mayRun()) {
          return caller;
        }
        caller.close();
      }
      pause(tries);
    }
    throw ended();
  }

  HypercallException ended() {
    return new HypercallException(
        Errno.ESRCH, "domain " + domid() + " has ended and makes no hypercalls");
  }

  /** The same for what takes the domain apart, before {@link #awaitNone}. */
  Caller enterAtEnd() {
    for (int tries = 0; ; tries++) {
      Caller caller = take();
      if (caller != null) {
        return caller;
      }
      pause(tries);
    }
  }

  private Caller take() {
    int first = (int) Thread.currentThread().threadId();
    for (int i = 0; i < callers.length; i++) {
      Caller caller = callers[(first + i & Integer.MAX_VALUE) % callers.length];
      if (caller.take()) {
        return caller;
      }
    }
    return null;
  }

  private static void pause(int tries) {
    if (tries < SPINS) {
      Thread.onSpinWait();
    } else {
      Thread.yield();
    }
  }

  /** Lets nobody make calls any more but by {@link #enterAtEnd}; those under way go on. */
  void end() {
    ending = true;
  }

  boolean isEnding() {
    return ending;
  }

  /** Returns when no call is under way, after {@link #end}; none can begin afterwards. */
  void awaitNone() {
    for (Caller caller : callers) {
      while (!caller.take()) {
        Thread.yield();
      }
    }
  }

  HypercallException refused(long result, String what) {
    return new HypercallException((int) -result, "domain " + domid() + " cannot " + what);
  }

  /** A domain id that fits an argument. */
  static int domid(int domid) {
    if (domid < 0 || domid > 0x7FFF) {
      throw new HypercallException(Errno.ESRCH, "no such domain: domid=" + domid);
    }
    return domid;
  }
}

package dev.domus.sched.chaos;

import dev.domus.kernel.sched.SchedParameter;

/** What {@link Chaos} may do, each with a probability of its own. */
enum Misdeed {
  /** Allowed: a pCPU idles for a while though units wait. */
  DELAY("delay", "of idling for a while though units wait (allowed)"),

  /** Allowed: the first of the queue goes to its end instead of being picked. */
  REORDER("reorder", "of sending the first of the queue to its end (allowed)"),

  /** Throws out of any call. */
  THROW("throw", "of throwing, in any call"),

  /**
   * Decides what is illegal: one that sleeps, runs elsewhere, or has no slice; or nothing at all.
   */
  WRONG_PICK("wrong-pick", "of an illegal decision"),

  /** Does not return from a decision for {@code hang-time}. */
  HANG("hang", "of a decision that takes hang-time"),

  /** Forgets that a unit has woken up: the unit is leaked. */
  LEAK("leak", "of losing a unit that wakes up"),

  /** Chooses a unit that is never picked again. */
  STARVE("starve", "of never picking a unit again");

  /** Probabilities are in millionths. */
  static final long CERTAIN = 1_000_000;

  private final SchedParameter parameter;

  Misdeed(String name, String description) {
    parameter =
        new SchedParameter.Numeric(name, "ppm", 0, CERTAIN, 0, "probability " + description);
  }

  SchedParameter parameter() {
    return parameter;
  }
}

package dev.domus.sched.rr;

import dev.domus.kernel.sched.SchedUnit;

/** What round-robin keeps of a unit: its place in the ring, and what is left of its turn. */
final class Turn {
  final SchedUnit unit;

  /** Neighbours in the queue; the queue's head is a Turn too. Null while not queued. */
  Turn previous;

  Turn next;

  /** What is left of a turn that was cut short; 0 if the next one is a full one. */
  long leftNanos;

  Turn(SchedUnit unit) {
    this.unit = unit;
  }

  /** A queue's head: a ring of its own. */
  static Turn head() {
    Turn head = new Turn(null);
    head.previous = head;
    head.next = head;
    return head;
  }

  boolean queued() {
    return next != null;
  }

  void insertBefore(Turn place) {
    previous = place.previous;
    next = place;
    previous.next = this;
    place.previous = this;
  }

  void unlink() {
    previous.next = next;
    next.previous = previous;
    previous = null;
    next = null;
  }
}

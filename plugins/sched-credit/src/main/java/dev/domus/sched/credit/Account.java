package dev.domus.sched.credit;

import dev.domus.kernel.sched.SchedUnit;

/** What credit keeps of a unit. Also its link in a queue; a queue's head is an account too. */
final class Account {
  final SchedUnit unit;
  final DomainCap domain;

  /** pCPU time it may use before it is over its share; negative if it has. */
  long creditNanos;

  Priority priority = Priority.OVER;

  /** Ran since the last accounting. */
  boolean ran;

  /** For {@link Accounting}: what it can still take in this round; negative if not taking part. */
  long roomNanos;

  Account previous;
  Account next;

  Account(SchedUnit unit, DomainCap domain) {
    this.unit = unit;
    this.domain = domain;
  }

  /** A queue's head: a ring of its own. */
  static Account head() {
    Account head = new Account(null, null);
    head.previous = head;
    head.next = head;
    return head;
  }

  boolean queued() {
    return next != null;
  }

  boolean ringEmpty() {
    return next == this;
  }

  void insertBefore(Account place) {
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

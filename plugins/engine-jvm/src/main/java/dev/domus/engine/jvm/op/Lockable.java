package dev.domus.engine.jvm.op;

/**
 * An operation that may carry a LOCK prefix; all others are #UD with it (Intel SDM vol. 2, LOCK).
 */
interface Lockable {
  /** Says whether this one, with its operands, may be locked: its destination is memory. */
  boolean mayBeLocked();
}

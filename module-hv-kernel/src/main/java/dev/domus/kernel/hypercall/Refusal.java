package dev.domus.kernel.hypercall;

import dev.domus.kernel.domain.Vcpu;

/**
 * A hypercall that is answered with one error number, whatever its arguments, on purpose.
 *
 * @param errno positive error number
 * @param subops what is refused, and why
 */
record Refusal(int errno, Subops subops) implements Hypercall {
  /** One whose sub-operations need not be told apart. */
  static Refusal of(int errno, String why) {
    return new Refusal(errno, Subops.refused(why));
  }

  @Override
  public long call(Vcpu v, long a1, long a2, long a3, long a4, long a5) {
    return -errno;
  }
}

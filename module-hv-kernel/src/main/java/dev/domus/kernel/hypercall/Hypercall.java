package dev.domus.kernel.hypercall;

import dev.domus.kernel.domain.Vcpu;

/**
 * One entry of the hypercall table. An implementation is one class with one method for each
 * sub-operation, in the order of the ABI; it takes its arguments out of guest memory once, checks
 * all of them before the first effect, and answers with 0, a count, or a negated {@link
 * dev.domus.kernel.abi.Errno}.
 *
 * <p>Called on the pCPU thread that runs the calling vCPU, with no lock held. Implementations hold
 * no state of their own beyond references to the parts of the machine: state belongs to domains.
 */
@FunctionalInterface
public interface Hypercall {
  /**
   * Result that says: not finished. {@link Vcpu#continuation()} holds the arguments of the rest;
   * the guest executes the hypercall again when it next runs.
   */
  long CONTINUE = Long.MIN_VALUE;

  /**
   * Carries the call out.
   *
   * @param v the calling vCPU, in guest kernel mode
   * @param a1 RDI
   * @param a2 RSI
   * @param a3 RDX
   * @param a4 R10
   * @param a5 R8
   * @return what the guest finds in RAX
   * @throws GuestFault if guest memory could not be reached; the guest gets its error number
   */
  long call(Vcpu v, long a1, long a2, long a3, long a4, long a5);

  /** What there is of it. */
  default Subops subops() {
    return Subops.NONE;
  }

  /** This hypercall with a description. */
  default Hypercall with(Subops described) {
    Hypercall undescribed = this;
    return new Hypercall() {
      @Override
      public long call(Vcpu v, long a1, long a2, long a3, long a4, long a5) {
        return undescribed.call(v, a1, a2, a3, a4, a5);
      }

      @Override
      public Subops subops() {
        return described;
      }
    };
  }
}

package dev.domus.sched.contract;

/** A scheduler did in simulation what the kernel would put it off its pool for. */
public final class ContractViolation extends AssertionError {
  private static final long serialVersionUID = 1;

  ContractViolation(String message) {
    super(message);
  }
}

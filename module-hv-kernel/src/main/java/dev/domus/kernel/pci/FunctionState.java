package dev.domus.kernel.pci;

/** Where a function is in its life. */
public sealed interface FunctionState {
  /** In quarantine: plugged in, and nobody's. */
  record Unassigned() implements FunctionState {
    static final Unassigned INSTANCE = new Unassigned();
  }

  /** A domain's. */
  record Assigned(int domid) implements FunctionState {}

  /**
   * It threw, hung or lied, and is in quarantine for good.
   *
   * @param domid whose it is nominally, or −1
   * @param reason for the operator
   */
  record Failed(int domid, String reason) implements FunctionState {}

  /** It is gone. */
  record Unplugged() implements FunctionState {
    static final Unplugged INSTANCE = new Unplugged();
  }
}

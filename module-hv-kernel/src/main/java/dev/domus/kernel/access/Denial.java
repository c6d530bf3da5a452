package dev.domus.kernel.access;

import dev.domus.kernel.abi.Domid;

/**
 * A refused operation.
 *
 * @param caller who asked
 * @param target about whom; DOMID_XEN for the machine
 * @param detail as the operation says
 */
public record Denial(Operation operation, int caller, int target, long detail) {
  @Override
  public String toString() {
    String whom = target == Domid.XEN ? "the machine" : "domain " + target;
    return "domain %d may not %s %s: detail=0x%x"
        .formatted(caller, operation.words(), whom, detail);
  }
}

package dev.domus.kernel.access;

import dev.domus.kernel.abi.Domid;

/**
 * Something that a domain was refused, and how often.
 *
 * @param operation what it asked
 * @param caller who asked
 * @param target about whom; DOMID_XEN for the machine, DOMID_INVALID for the rest of those about
 *     whom this caller asked, because they were too many to be listed
 * @param count how often
 * @param detail that of the last time, as the operation says
 */
public record Denial(Operation operation, int caller, int target, long count, long detail) {
  /** About whom, in words. */
  public String whom() {
    return switch (target) {
      case Domid.XEN -> "the machine";
      case Domid.IO -> "I/O frames";
      case Domid.INVALID -> "others";
      default -> "domain " + target;
    };
  }

  @Override
  public String toString() {
    return "domain %d may not %s %s: detail=0x%x"
        .formatted(caller, operation.words(), whom(), detail);
  }
}

package dev.domus.iommu;

import java.util.Arrays;

/**
 * What a requester's root and context entry came to: the context cache's entry of a port (Intel
 * VT-d, 6.2.2). Immutable, so a port that holds one can tell by its identity whether it still does.
 *
 * @param status {@link DmaPort#OK}, or why all accesses are refused
 * @param did domain id
 * @param root machine address of the domain's topmost table
 * @param levels of the domain's tables, 3 to 5; 0 if addresses are machine addresses (pass-through)
 * @param recordsFaults whether its faults are recorded (FPD is clear)
 */
record RequesterContext(int status, int did, long root, int levels, boolean recordsFaults) {
  /** Of a port that was revoked. */
  static final RequesterContext REVOKED = new RequesterContext(DmaPort.REVOKED, 0, 0, 0, false);

  /** Of a port that may not start an access for now. */
  static final RequesterContext BLOCKED = new RequesterContext(DmaPort.BLOCKED, 0, 0, 0, false);

  /** A requester whose tables say that it gets nothing. Not cached: see caching mode, 6.1. */
  static RequesterContext faulty(FaultReason reason, boolean recordsFaults) {
    return (recordsFaults ? RECORDED : UNRECORDED)[reason.ordinal()];
  }

  /** One object a reason, since whoever is refused may ask all the time. */
  private static final RequesterContext[] RECORDED = ofAllReasons(true),
      UNRECORDED = ofAllReasons(false);

  private static RequesterContext[] ofAllReasons(boolean recordsFaults) {
    return Arrays.stream(FaultReason.values())
        .map(reason -> new RequesterContext(reason.code(), 0, 0, 0, recordsFaults))
        .toArray(RequesterContext[]::new);
  }

  /** Address width of the domain. */
  int addressBits() {
    return 12 + 9 * levels;
  }
}

package dev.domus.kernel.grant;

import java.lang.foreign.MemorySegment;

/**
 * What a vCPU needs while it makes a grant-table operation: room for structures of arguments, each
 * copied once, and for as many statuses, and what it copies with. Used by the vCPU's own thread, so
 * that nothing is allocated.
 */
final class GrantCall {
  /** How many structures and statuses there is room for. */
  static final int ROOM = PendingUnmaps.ROOM;

  private static final int LARGEST_STRUCTURE = 40;

  private final MemorySegment arguments =
      MemorySegment.ofArray(new long[ROOM * LARGEST_STRUCTURE / Long.BYTES]);

  private final int[] statuses = new int[ROOM];

  private final GrantCopy copy;

  GrantCall(GrantTable caller) {
    copy = new GrantCopy(caller);
  }

  MemorySegment arguments() {
    return arguments;
  }

  int[] statuses() {
    return statuses;
  }

  GrantCopy copy() {
    return copy;
  }
}

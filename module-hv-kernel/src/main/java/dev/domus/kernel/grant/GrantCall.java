package dev.domus.kernel.grant;

import java.lang.foreign.MemorySegment;

/**
 * What a vCPU needs while it makes a grant-table operation: room for one structure of arguments,
 * copied once, and what it copies with. Used by the vCPU's own thread, so that nothing is
 * allocated.
 */
final class GrantCall {
  private static final int LARGEST_STRUCTURE = 40;

  private final MemorySegment arguments =
      MemorySegment.ofArray(new long[LARGEST_STRUCTURE / Long.BYTES]);

  private final GrantCopy copy;

  GrantCall(GrantTable caller) {
    copy = new GrantCopy(caller);
  }

  MemorySegment arguments() {
    return arguments;
  }

  GrantCopy copy() {
    return copy;
  }
}

package dev.domus.kernel.grant;

import java.util.Arrays;

/**
 * A domain's grant handles. A handle is an index; its {@link Mapping} object is made when the
 * handle is first given out and used again afterwards, so that mapping and unmapping allocate
 * nothing. Handles are given out last in, first out.
 *
 * <p>Guarded by its own monitor, which is held for a few loads and stores and is a leaf of the lock
 * order.
 */
final class MapTrack {
  /** Most handles of a domain, as on Xen. */
  static final int MAX_HANDLES = 1 << 18;

  private static final int FIRST_HANDLES = 64;

  private Mapping[] mappings = new Mapping[FIRST_HANDLES];

  /** The free handles among those given out before, as a stack. */
  private int[] free = new int[FIRST_HANDLES];

  private int freeCount;
  private int used;

  /** Takes a handle, or returns −1. */
  synchronized int allocate() {
    if (freeCount > 0) {
      return free[--freeCount];
    }
    if (used == MAX_HANDLES) {
      return -1;
    }
    if (used == mappings.length) {
      mappings = Arrays.copyOf(mappings, used * 2);
      free = Arrays.copyOf(free, used * 2);
    }
    mappings[used] = new Mapping();
    return used++;
  }

  /** Gives a handle back whose mapping is not live. */
  synchronized void release(int handle) {
    free[freeCount++] = handle;
  }

  /** The mapping of a handle, live or not; null if no such handle was ever given out. */
  synchronized Mapping find(int handle) {
    return handle >= 0 && handle < used ? mappings[handle] : null;
  }

  /** One more than the largest handle ever given out. */
  synchronized int limit() {
    return used;
  }
}

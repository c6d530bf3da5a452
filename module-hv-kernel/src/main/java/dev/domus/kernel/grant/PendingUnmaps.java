package dev.domus.kernel.grant;

import dev.domus.kernel.mmu.GrantEntries;

/**
 * What one vCPU has unmapped and not yet given back: frames may go only after a flush, and one
 * flush serves many. A mapping of which nothing is left keeps its handle busy until then. What is
 * given back is remembered here and not in the mapping, since another vCPU may unmap the rest of it
 * meanwhile and the handle may be somebody else's by then.
 *
 * <p>Touched by the vCPU's own thread only, and empty between hypercalls.
 */
final class PendingUnmaps {
  /** How many unmappings can be pending. */
  static final int ROOM = 64;

  private static final int NO_HANDLE = -1;

  private final int vcpu;
  private final MapTrack track;
  private final GrantTable[] granters = new GrantTable[ROOM];
  private final int[] refs = new int[ROOM];
  private final long[] mfns = new long[ROOM];
  private final int[] states = new int[ROOM];
  private final int[] handles = new int[ROOM];
  private int count;
  private boolean flushDue;

  PendingUnmaps(int vcpu, MapTrack track) {
    this.vcpu = vcpu;
    this.track = track;
  }

  /**
   * Takes over the parts of a claimed mapping that were unmapped, and ends the claim.
   *
   * @param state the mapping's state when it was claimed
   * @param done the parts that were unmapped, possibly none
   */
  void add(Mapping mapping, int handle, int state, int done) {
    int left = state & ~done;
    boolean live = (left & (Mapping.HOST | Mapping.DEVICE)) != 0;
    if (done != 0) {
      granters[count] = mapping.granter;
      refs[count] = mapping.ref;
      mfns[count] = mapping.mfn;
      states[count] = state & (done | Mapping.READONLY);
      handles[count] = live ? NO_HANDLE : handle;
      flushDue |= (done & Mapping.HOST) != 0;
      count++;
    }
    if (live) {
      mapping.publish(left);
    }
  }

  /** Flushes if need be, gives frames and pins back, and frees handles. */
  void finish(GrantEntries slots) {
    if (flushDue) {
      slots.flush();
    }
    for (int i = 0; i < count; i++) {
      boolean writable = (states[i] & Mapping.READONLY) == 0;
      for (int part = Mapping.HOST; part <= Mapping.DEVICE; part <<= 1) {
        if ((states[i] & part) != 0) {
          granters[i].release(refs[i], mfns[i], writable);
        }
      }
      if (handles[i] != NO_HANDLE) {
        track.find(handles[i]).publish(0);
        track.release(vcpu, handles[i]);
      }
      granters[i] = null;
    }
    count = 0;
    flushDue = false;
  }
}

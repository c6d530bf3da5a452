package dev.domus.kernel;

import dev.domus.kernel.abi.Domid;
import java.util.BitSet;
import java.util.function.IntPredicate;

/**
 * Gives out domain ids, as Xen does: upwards, from 1 again after the last, and none that is still
 * in use. So an id comes back as late as possible, and whoever has kept one for too long finds
 * nobody rather than somebody else.
 *
 * <p>An id is <em>claimed</em> while its domain is being made and nothing else knows of it yet.
 * Thread-safe.
 */
public final class DomainIds {
  /** No id. */
  public static final int NONE = -1;

  private final IntPredicate inUse;

  // Guarded by this.
  private final BitSet claimed = new BitSet();
  private int last;

  /**
   * Gives out ids from 1.
   *
   * @param inUse says of an id whether it names a domain or is on a dead one's frames
   */
  DomainIds(IntPredicate inUse) {
    this.inUse = inUse;
  }

  /** Claims the next free id; {@link #NONE} if all are in use. */
  public synchronized int claimNext() {
    int candidate = last;
    for (int tries = 1; tries < Domid.FIRST_RESERVED; tries++) {
      candidate = candidate + 1 == Domid.FIRST_RESERVED ? 1 : candidate + 1;
      if (claim(candidate)) {
        last = candidate;
        return candidate;
      }
    }
    return NONE;
  }

  /**
   * Claims a certain id.
   *
   * @param domid 1 to {@link Domid#FIRST_RESERVED} − 1
   * @return whether it was free
   */
  public synchronized boolean claim(int domid) {
    if (claimed.get(domid) || inUse.test(domid)) {
      return false;
    }
    claimed.set(domid);
    return true;
  }

  /** The claim is over: there is a domain of that id now, or there will be none. */
  public synchronized void release(int domid) {
    claimed.clear(domid);
  }
}

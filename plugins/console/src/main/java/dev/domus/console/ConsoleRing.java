package dev.domus.console;

import static dev.domus.console.ConsoleRingLayout.IN_BYTES;
import static dev.domus.console.ConsoleRingLayout.OUT_BYTES;

import dev.domus.memory.Window;

/**
 * The backend's end of one console ring.
 *
 * <p>The backend's own indices are kept here and only published in the page. The guest's are read
 * once for each use, with acquire order, and must lie within a ring's size of ours; ours are stored
 * with release order, after the bytes that they announce.
 *
 * <p><b>A guest that does not mask.</b> GRUB's Xen console reads {@code in[in_cons]}, not {@code
 * in[in_cons % 1024]}: from the 1025th byte of input on it reads what lies behind the ring, which
 * is old output. A backend cannot mend that. The index that would have to go back to 0 is the
 * guest's; even if both indices are set to 0 by one atomic store while the ring is empty, a guest
 * reads them one after the other and may pair the old of one with the new of the other, which looks
 * like a full ring of garbage to GRUB and trips a consistency check in Linux. Nor may the bytes be
 * laid where GRUB will look for them, because a guest is free to be writing its output there. What
 * can be done is done: no byte of the ring is spent on anything but what was typed, and {@link
 * #passedFirstLap} lets the backend say so in the log once, at the point from which such a guest
 * misreads.
 *
 * <p>Not thread-safe: its console's lock is held.
 */
final class ConsoleRing {
  private final Window page;
  private int outCons;
  private int inProd;

  ConsoleRing(Window page) {
    this.page = page;
    outCons = page.getIntAcquire(ConsoleRingLayout.OUT_CONS);
    inProd = page.getIntAcquire(ConsoleRingLayout.IN_PROD);
  }

  /** How many bytes of output wait, 0 to 2048. */
  int waiting() throws BadRingException {
    int waiting = page.getIntAcquire(ConsoleRingLayout.OUT_PROD) - outCons;
    if (waiting < 0 || waiting > OUT_BYTES) {
      throw new BadRingException("out_prod is not within a ring of out_cons: distance=" + waiting);
    }
    return waiting;
  }

  /** Copies output that waits, without giving its room back. */
  void peek(byte[] target, int count) {
    for (int done = 0; done < count; ) {
      int from = ConsoleRingLayout.outSlot(outCons + done);
      int part = Math.min(count - done, OUT_BYTES - from);
      page.read(ConsoleRingLayout.OUT + from, target, done, part);
      done += part;
    }
  }

  /** Gives the room of output back that has been taken care of. */
  void release(int count) {
    outCons += count;
    page.putIntRelease(ConsoleRingLayout.OUT_CONS, outCons);
  }

  /** Puts input; returns how many bytes found room. */
  int type(byte[] source, int at, int length) throws BadRingException {
    int unread = inProd - page.getIntAcquire(ConsoleRingLayout.IN_CONS);
    if (unread < 0 || unread > IN_BYTES) {
      throw new BadRingException("in_cons is not within a ring of in_prod: distance=" + unread);
    }
    int count = Math.min(length, IN_BYTES - unread);
    for (int done = 0; done < count; ) {
      int to = ConsoleRingLayout.inSlot(inProd + done);
      int part = Math.min(count - done, IN_BYTES - to);
      page.write(ConsoleRingLayout.IN + to, source, at + done, part);
      done += part;
    }
    if (count > 0) {
      inProd += count;
      page.putIntRelease(ConsoleRingLayout.IN_PROD, inProd);
    }
    return count;
  }

  /** Says whether the input has gone once round the ring. */
  boolean passedFirstLap() {
    return Integer.compareUnsigned(inProd, IN_BYTES) > 0;
  }
}

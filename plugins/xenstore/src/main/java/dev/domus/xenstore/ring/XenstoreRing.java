package dev.domus.xenstore.ring;

import static dev.domus.xenstore.ring.XenstoreRingLayout.RING_BYTES;
import static dev.domus.xenstore.ring.XenstoreRingLayout.slot;

import dev.domus.memory.Window;

/**
 * The store's end of one ring.
 *
 * <p>The store's own indices are kept here and only published in the page: what the guest may have
 * written over them does not matter. The guest's indices are read once for each use, with acquire
 * order, and must lie within a ring's size of ours; bytes are copied out before anything is
 * concluded from them. Our indices are stored with release order, after the bytes that they
 * announce.
 *
 * <p>Not thread-safe: one thread serves a ring.
 */
final class XenstoreRing {
  private final Window page;
  private int reqCons;
  private int rspProd;

  XenstoreRing(Window page) {
    this.page = page;
    reqCons = page.getIntAcquire(XenstoreRingLayout.REQ_CONS);
    rspProd = page.getIntAcquire(XenstoreRingLayout.RSP_PROD);
    page.putIntRelease(
        XenstoreRingLayout.ERROR, XenstoreRingLayout.ERROR_NONE); // may be opened again
    page.putIntRelease(XenstoreRingLayout.SERVER_FEATURES, XenstoreRingLayout.FEATURE_ERROR);
  }

  /** Takes bytes of requests; returns how many there were. */
  int read(byte[] target, int at, int length) throws BadRingException {
    int available = page.getIntAcquire(XenstoreRingLayout.REQ_PROD) - reqCons;
    if (available < 0 || available > RING_BYTES) {
      throw badIndices("req_prod is not within a ring of req_cons", available);
    }
    int count = Math.min(available, length);
    for (int done = 0; done < count; ) {
      int from = slot(reqCons + done);
      int part = Math.min(count - done, RING_BYTES - from);
      page.read(XenstoreRingLayout.REQ + from, target, at + done, part);
      done += part;
    }
    if (count > 0) {
      reqCons += count;
      page.putIntRelease(XenstoreRingLayout.REQ_CONS, reqCons);
    }
    return count;
  }

  /** Puts bytes of replies; returns how many found room. */
  int write(byte[] source, int at, int length) throws BadRingException {
    int unread = rspProd - page.getIntAcquire(XenstoreRingLayout.RSP_CONS);
    if (unread < 0 || unread > RING_BYTES) {
      throw badIndices("rsp_cons is not within a ring of rsp_prod", unread);
    }
    int count = Math.min(RING_BYTES - unread, length);
    for (int done = 0; done < count; ) {
      int to = slot(rspProd + done);
      int part = Math.min(count - done, RING_BYTES - to);
      page.write(XenstoreRingLayout.RSP + to, source, at + done, part);
      done += part;
    }
    if (count > 0) {
      rspProd += count;
      page.putIntRelease(XenstoreRingLayout.RSP_PROD, rspProd);
    }
    return count;
  }

  /** Tells the guest why it is served no longer. */
  void report(int error) {
    page.putIntRelease(XenstoreRingLayout.ERROR, error);
  }

  private static BadRingException badIndices(String what, int distance) {
    return new BadRingException(XenstoreRingLayout.ERROR_INDICES, what + ": distance=" + distance);
  }
}

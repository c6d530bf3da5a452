package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantStatus;
import java.util.Optional;

/**
 * One side of a copy while it lasts: the frame, and what keeps it.
 *
 * <p>A grant may pass on another domain's (version 2, transitive). Then two grants are pinned, the
 * one that was named and the one behind it, which must be given to the domain in the middle; the
 * frame is its owner's, whose permission counts as much as that of the domain in the middle. The
 * second may not pass on a third one: chains have one link, so they cannot be loops, and a copy
 * pins two grants a side at most (XSA-226). No monitor is held while the other is taken, so two
 * domains that pass on each other's grants cannot block one another.
 *
 * <p>Used by one thread; {@link #end} once after each {@link #begin} that succeeded.
 */
final class CopySide {
  private final GrantTable caller;
  private final boolean writable;

  /** The named grant and the one behind it; null if there is none. */
  private GrantTable granter, origin;

  private int ref, originRef;
  private GrantTable owner;
  private long mfn;

  CopySide(GrantTable caller, boolean writable) {
    this.caller = caller;
    this.writable = writable;
  }

  /** The frame. */
  long mfn() {
    return mfn;
  }

  /**
   * Pins and references what a side of a copy names.
   *
   * @param name a grant reference or a frame
   * @return a grant status
   */
  int begin(long name, int domid, boolean isRef, int offset, int length) {
    Optional<GrantTable> found = caller.other(domid);
    if (found.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    granter = null;
    origin = null;
    owner = found.get();
    mfn = name;
    int status = isRef ? pin(owner, (int) name, offset, length) : GrantStatus.OKAY;
    if (status == GrantStatus.OKAY && !owner.getFrame(mfn, writable)) {
      status = GrantStatus.BAD_PAGE;
    }
    if (status != GrantStatus.OKAY) {
      unpin();
    }
    return status;
  }

  private int pin(GrantTable table, int named, int offset, int length) {
    mfn = table.pin(named, caller.domid(), writable, Use.COPY);
    if (mfn < 0) {
      return (int) mfn;
    }
    granter = table;
    ref = named;
    ActiveGrant grant = table.activeGrant(named);
    if (grant.isTransitive()) {
      int status = pinOrigin(grant.originDomid, grant.originRef);
      if (status != GrantStatus.OKAY) {
        return status;
      }
      grant = origin.activeGrant(originRef);
    }
    boolean inside = offset >= grant.offset && offset + length <= grant.offset + grant.length;
    return inside ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
  }

  private int pinOrigin(int domid, int named) {
    Optional<GrantTable> found =
        domid == granter.domid() ? Optional.empty() : caller.machine().grants(domid);
    if (found.isEmpty()) {
      return GrantStatus.GENERAL_ERROR;
    }
    mfn = found.get().pin(named, granter.domid(), writable, Use.ORIGIN);
    if (mfn < 0) {
      return GrantStatus.GENERAL_ERROR;
    }
    origin = found.get();
    originRef = named;
    owner = origin;
    return GrantStatus.OKAY;
  }

  /** Gives everything back. */
  void end() {
    owner.putFrame(mfn, writable);
    unpin();
  }

  private void unpin() {
    if (origin != null) {
      origin.unpin(originRef, writable);
    }
    if (granter != null) {
      granter.unpin(ref, writable);
    }
    granter = null;
    origin = null;
    owner = null;
  }
}

package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantStatus;
import java.util.Optional;

/**
 * One side of a run of copies: the frame, and what keeps it.
 *
 * <p>Backends copy many pieces from or to one page in a row, and pinning it costs several times
 * what a small copy does. So a side is held from one copy to the next and given up when another
 * page is named, or when the run ends; a run is a few microseconds long. Meanwhile its grant is in
 * use, as it would be during one long copy.
 *
 * <p>A grant may pass on another domain's (version 2, transitive). Then two grants are pinned, the
 * one that was named and the one behind it, which must be given to the domain in the middle; the
 * frame is its owner's, whose permission counts as much as that of the domain in the middle. The
 * second may not pass on a third one: chains have one link, so they cannot be loops, and a copy
 * pins two grants a side at most (XSA-226). No monitor is held while the other is taken, so two
 * domains that pass on each other's grants cannot block one another.
 *
 * <p>Used by one thread; {@link #endRun} once after a run of {@link #hold}s.
 */
final class CopySide {
  private final GrantTable caller;
  private final boolean writable;

  /** The named grant and the one behind it; null if there is none. */
  private GrantTable granter, origin;

  private int ref, originRef;

  /** Whose frame is held, or was. */
  private GrantTable owner;

  private boolean held;

  private long mfn;

  /** The bytes of the frame that may be copied. */
  private int firstByte, endByte;

  /** What is held, as the caller named it. */
  private long heldName;

  private int heldDomid;
  private boolean heldByRef;

  CopySide(GrantTable caller, boolean writable) {
    this.caller = caller;
    this.writable = writable;
  }

  /** The frame. */
  long mfn() {
    return mfn;
  }

  /** Says whether what a side of a copy names is held, so that {@link #hold} need not be called. */
  boolean holds(long name, int domid, boolean isRef) {
    return held && name == heldName && domid == heldDomid && isRef == heldByRef;
  }

  /** Says whether a part of what is held may be copied. */
  boolean covers(int offset, int length) {
    return offset >= firstByte && offset + length <= endByte;
  }

  /**
   * Holds what a side of a copy names, pinned and referenced, in place of what was held before.
   *
   * @param name a grant reference or a frame
   * @return a grant status; if it is not OKAY, nothing is held
   */
  int hold(long name, int domid, boolean isRef) {
    end();
    int status = begin(name, domid, isRef);
    if (status == GrantStatus.OKAY) {
      heldName = name;
      heldDomid = domid;
      heldByRef = isRef;
      held = true;
    }
    return status;
  }

  private int begin(long name, int domid, boolean isRef) {
    Optional<GrantTable> found = caller.other(domid);
    if (found.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    own(found.get());
    mfn = isRef ? name : owner.machine().frame(name, writable);
    firstByte = 0;
    endByte = ActiveGrant.WHOLE;
    int status = isRef ? pin(owner, (int) name) : GrantStatus.OKAY;
    if (status == GrantStatus.OKAY && !owner.getFrame(mfn, writable)) {
      status = owner.missing(GrantStatus.BAD_PAGE);
    }
    if (status != GrantStatus.OKAY) {
      unpin();
    }
    return status;
  }

  /** Of many copies in a row the owner is the same, and a reference stored costs a barrier. */
  private void own(GrantTable table) {
    if (owner != table) {
      owner = table;
    }
  }

  private int pin(GrantTable table, int named) {
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
    firstByte = grant.offset;
    endByte = grant.offset + grant.length;
    return GrantStatus.OKAY;
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
    own(origin);
    return GrantStatus.OKAY;
  }

  /** Gives back what is held, if anything is. */
  void end() {
    if (held) {
      held = false;
      if (writable && !heldByRef) {
        owner.machine().written(heldName);
      }
      owner.putFrame(mfn, writable);
      unpin();
    }
  }

  /** As {@link #end}, and keeps nothing of another domain's alive. */
  void endRun() {
    end();
    owner = null;
  }

  private void unpin() {
    if (granter == null) {
      return;
    }
    if (origin != null) {
      origin.unpin(originRef, writable);
      origin = null;
    }
    granter.unpin(ref, writable);
    granter = null;
  }
}

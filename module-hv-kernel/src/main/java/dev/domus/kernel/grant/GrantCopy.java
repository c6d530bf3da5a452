package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.memory.CodeFrames;
import java.lang.foreign.MemorySegment;

/**
 * GNTTABOP_copy (xen-pv-abi.md, 12.4): copies bytes between two frames, each either the caller's
 * own or somebody's grant. Both sides are pinned and referenced while they are copied, the source
 * for reading, the destination for writing, and stay so from one copy to the next of a run that
 * names the same ({@link CopySide}).
 *
 * <p>One object a vCPU, used by its own thread, so that a copy allocates nothing.
 */
final class GrantCopy {
  /** Flag of a copy: the side is a grant reference, not a frame. */
  static final int SOURCE_IS_REF = 1, DESTINATION_IS_REF = 2;

  private static final int FRAME_BYTES = 4096;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final CopySide source;
  private final CopySide destination;

  /** Makes copies on behalf of the domain that a table is of. */
  GrantCopy(GrantTable caller) {
    memory = caller.machine().memory();
    codeFrames = caller.machine().codeFrames();
    source = new CopySide(caller, false);
    destination = new CopySide(caller, true);
  }

  /**
   * Copies, as one of a run; the caller owes {@link #endRun} after the last, whatever the statuses
   * were.
   *
   * @param from a grant reference or a frame, as the flags say
   * @param to likewise
   * @return a grant status
   */
  int copyInRun(
      long from,
      int fromDomid,
      int fromOffset,
      long to,
      int toDomid,
      int toOffset,
      int length,
      int flags) {
    boolean fromRef = (flags & SOURCE_IS_REF) != 0;
    boolean toRef = (flags & DESTINATION_IS_REF) != 0;
    if (!fromRef && fromDomid != Domid.SELF || !toRef && toDomid != Domid.SELF) {
      return GrantStatus.PERMISSION_DENIED;
    }
    if (fromOffset + length > FRAME_BYTES || toOffset + length > FRAME_BYTES) {
      return GrantStatus.BAD_COPY_ARG;
    }
    if (!source.holds(from, fromDomid, fromRef)) {
      int status = source.hold(from, fromDomid, fromRef);
      if (status != GrantStatus.OKAY) {
        return status;
      }
    }
    if (!source.covers(fromOffset, length)) {
      return GrantStatus.GENERAL_ERROR;
    }
    if (!destination.holds(to, toDomid, toRef)) {
      int status = destination.hold(to, toDomid, toRef);
      if (status != GrantStatus.OKAY) {
        return status;
      }
    }
    if (!destination.covers(toOffset, length)) {
      return GrantStatus.GENERAL_ERROR;
    }
    MemorySegment.copy(
        memory,
        (source.mfn() << 12) + fromOffset,
        memory,
        (destination.mfn() << 12) + toOffset,
        length);
    codeFrames.written(destination.mfn());
    return GrantStatus.OKAY;
  }

  /** Copies once: a run of one. Parameters and result are those of {@link #copyInRun}. */
  int copy(
      long from,
      int fromDomid,
      int fromOffset,
      long to,
      int toDomid,
      int toOffset,
      int length,
      int flags) {
    try {
      return copyInRun(from, fromDomid, fromOffset, to, toDomid, toOffset, length, flags);
    } finally {
      endRun();
    }
  }

  /** Ends a run of copies: nothing is pinned or referenced any more. */
  void endRun() {
    destination.endRun();
    source.endRun();
  }
}

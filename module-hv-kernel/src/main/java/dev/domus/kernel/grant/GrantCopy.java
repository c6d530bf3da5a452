package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;

/**
 * GNTTABOP_copy (xen-pv-abi.md, 12.4): copies bytes between two frames, each either the caller's
 * own or somebody's grant. Both sides are pinned and referenced for as long as the copy takes, the
 * source for reading, the destination for writing.
 *
 * <p>One object a vCPU, used by its own thread, so that a copy allocates nothing.
 */
final class GrantCopy {
  /** Flag of a copy: the side is a grant reference, not a frame. */
  static final int SOURCE_IS_REF = 1, DESTINATION_IS_REF = 2;

  private static final int FRAME_BYTES = 4096;

  private final GrantMachine machine;
  private final CopySide source;
  private final CopySide destination;

  /** Makes copies on behalf of the domain that a table is of. */
  GrantCopy(GrantTable caller) {
    machine = caller.machine();
    source = new CopySide(caller, false);
    destination = new CopySide(caller, true);
  }

  /**
   * Copies.
   *
   * @param from a grant reference or a frame, as the flags say
   * @param to likewise
   * @return a grant status
   */
  int copy(
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
    int status = source.begin(from, fromDomid, fromRef, fromOffset, length);
    if (status != GrantStatus.OKAY) {
      return status;
    }
    status = destination.begin(to, toDomid, toRef, toOffset, length);
    if (status == GrantStatus.OKAY) {
      MemorySegment memory = machine.memory();
      MemorySegment.copy(
          memory,
          (source.mfn() << 12) + fromOffset,
          memory,
          (destination.mfn() << 12) + toOffset,
          length);
      machine.codeFrames().written(destination.mfn());
      destination.end();
    }
    source.end();
    return status;
  }
}

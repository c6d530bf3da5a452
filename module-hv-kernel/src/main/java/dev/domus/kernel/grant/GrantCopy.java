package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * GNTTABOP_copy (xen-pv-abi.md, 12.4): copies bytes between two frames, each either the caller's
 * own or somebody's grant. Both sides are pinned and referenced for as long as the copy takes, the
 * source for reading, the destination for writing.
 */
final class GrantCopy {
  /** Flag of a copy: the side is a grant reference, not a frame. */
  static final int SOURCE_IS_REF = 1, DESTINATION_IS_REF = 2;

  private static final int FRAME_BYTES = 4096;

  private GrantCopy() {}

  /**
   * Copies.
   *
   * @param caller grant table of the calling domain
   * @param source a grant reference or a frame, as the flags say
   * @return a grant status
   */
  static int copy(
      GrantTable caller,
      long source,
      int sourceDomid,
      int sourceOffset,
      long destination,
      int destinationDomid,
      int destinationOffset,
      int length,
      int flags) {
    boolean fromRef = (flags & SOURCE_IS_REF) != 0;
    boolean toRef = (flags & DESTINATION_IS_REF) != 0;
    if (!fromRef && sourceDomid != Domid.SELF || !toRef && destinationDomid != Domid.SELF) {
      return GrantStatus.PERMISSION_DENIED;
    }
    if (sourceOffset + length > FRAME_BYTES || destinationOffset + length > FRAME_BYTES) {
      return GrantStatus.BAD_COPY_ARG;
    }
    Optional<GrantTable> from = caller.other(sourceDomid);
    Optional<GrantTable> to = caller.other(destinationDomid);
    if (from.isEmpty() || to.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    GrantTable fromTable = from.get();
    GrantTable toTable = to.get();
    int status = begin(caller, fromTable, source, fromRef, false);
    if (status != GrantStatus.OKAY) {
      return status;
    }
    long sourceMfn = fromRef ? fromTable.pinnedFrame((int) source) : source;
    status = begin(caller, toTable, destination, toRef, true);
    if (status == GrantStatus.OKAY) {
      long destinationMfn = toRef ? toTable.pinnedFrame((int) destination) : destination;
      copyBytes(
          caller.machine(), sourceMfn, sourceOffset, destinationMfn, destinationOffset, length);
      end(toTable, destination, toRef, destinationMfn, true);
    }
    end(fromTable, source, fromRef, sourceMfn, false);
    return status;
  }

  private static int begin(
      GrantTable caller, GrantTable table, long side, boolean isRef, boolean writable) {
    if (isRef) {
      return table.acquire((int) side, caller.domid(), writable);
    }
    return table.getFrame(side, writable) ? GrantStatus.OKAY : GrantStatus.BAD_PAGE;
  }

  private static void end(GrantTable table, long side, boolean isRef, long mfn, boolean writable) {
    if (isRef) {
      table.release((int) side, mfn, writable);
    } else {
      table.putFrame(mfn, writable);
    }
  }

  private static void copyBytes(
      GrantMachine machine, long from, int fromOffset, long to, int toOffset, int length) {
    MemorySegment memory = machine.memory();
    MemorySegment.copy(memory, (from << 12) + fromOffset, memory, (to << 12) + toOffset, length);
    machine.codeFrames().written(to);
  }
}

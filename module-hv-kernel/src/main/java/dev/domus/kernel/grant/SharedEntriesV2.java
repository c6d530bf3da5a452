package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.FLAGS_AND_DOMID;
import static dev.domus.kernel.abi.GrantEntryLayout.FRAME_V2;
import static dev.domus.kernel.abi.GrantEntryLayout.PART_OFFSET;
import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.PER_FRAME_V2;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantEntryLayout.SIZE_V2;
import static dev.domus.kernel.abi.GrantEntryLayout.STATUSES_PER_FRAME;
import static dev.domus.kernel.abi.GrantEntryLayout.SUB_PAGE;
import static dev.domus.kernel.abi.GrantEntryLayout.TRANSITIVE;
import static dev.domus.kernel.abi.GrantEntryLayout.TRANSITIVE_DOMID;
import static dev.domus.kernel.abi.GrantEntryLayout.TRANSITIVE_REF;
import static dev.domus.kernel.abi.GrantEntryLayout.TYPE_MASK;

import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Entries of version 2. Flags of use stand in a status word beside the entry, so the guest ends a
 * grant without a compare-and-set: it clears the flags, then looks whether the status says that it
 * was in time. Therefore use is marked first here and the entry is looked at <em>again</em>
 * afterwards: either the guest sees the mark, or the hypervisor sees the change and takes the mark
 * back.
 *
 * <p>Two statuses share a 32-bit word, which is the smallest that can be changed atomically.
 */
final class SharedEntriesV2 extends SharedEntries {
  /** Frames of the statuses; enough for all entries. Replaced when one is added. */
  private volatile long[] statusFrames;

  SharedEntriesV2(MemorySegment memory, long[] frames, long[] statusFrames) {
    super(memory, 2, PER_FRAME_V2, Integer.numberOfTrailingZeros(SIZE_V2), frames);
    this.statusFrames = statusFrames;
  }

  /** How many frames the statuses of a table take. */
  static int statusFramesFor(int frames) {
    return (frames * PER_FRAME_V2 + STATUSES_PER_FRAME - 1) / STATUSES_PER_FRAME;
  }

  long[] statusFrames() {
    return statusFrames;
  }

  /** Adds room for statuses. One caller at a time, and before the entries are added. */
  void addStatusFrame(long mfn) {
    long[] longer = Arrays.copyOf(statusFrames, statusFrames.length + 1);
    longer[statusFrames.length] = mfn;
    statusFrames = longer;
  }

  @Override
  void clearEntry(int ref) {
    LONG.setVolatile(memory, address(ref), 0L);
    LONG.setVolatile(memory, address(ref) + FRAME_V2, 0L);
  }

  @Override
  void permit(int ref, int flagsAndDomid, long mfn, int useFlags) {
    setGranted(ref, mfn);
    mark(ref, useFlags);
    INT.setVolatile(memory, address(ref) + FLAGS_AND_DOMID, flagsAndDomid);
  }

  @Override
  int claim(int ref, ActiveGrant grant, int grantee, boolean writable, Use use) {
    for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
      int header = header(ref);
      if (!permits(header, grant, grantee, writable, use)) {
        return GrantStatus.GENERAL_ERROR;
      }
      mark(ref, useFlags(writable));
      if (header(ref) == header) {
        if (!grant.inUse()) {
          describe(ref, header, grant);
        }
        return GrantStatus.OKAY;
      }
      clear(ref, useFlags(writable) & ~grant.useFlags());
    }
    return GrantStatus.GENERAL_ERROR;
  }

  private static boolean permits(
      int header, ActiveGrant grant, int grantee, boolean writable, Use use) {
    int type = header & TYPE_MASK;
    if (header >>> 16 != grantee || writable && (header & READONLY) != 0) {
      return false;
    }
    if (grant.inUse() && grant.isTransitive() != (type == TRANSITIVE)) {
      return false;
    }
    return switch (use) {
      case MAP -> (header & (TYPE_MASK | SUB_PAGE)) == PERMIT_ACCESS;
      case COPY -> type == PERMIT_ACCESS || type == TRANSITIVE;
      case ORIGIN -> type == PERMIT_ACCESS;
    };
  }

  private void describe(int ref, int header, ActiveGrant grant) {
    long at = address(ref);
    if ((header & TYPE_MASK) == TRANSITIVE) {
      int domid = (int) INT.getVolatile(memory, at + TRANSITIVE_DOMID) & 0xFFFF;
      grant.passesOn(domid, (int) INT.getVolatile(memory, at + TRANSITIVE_REF));
    } else if ((header & SUB_PAGE) != 0) {
      int part = (int) INT.getVolatile(memory, at + PART_OFFSET);
      grant.grantsPart(granted(ref), part & 0xFFFF, part >>> 16);
    } else {
      grant.grantsFrame(granted(ref));
    }
  }

  @Override
  void clear(int ref, int useFlags) {
    INT.getAndBitwiseAnd(memory, statusWord(ref), ~(useFlags << statusShift(ref)));
  }

  private void mark(int ref, int useFlags) {
    INT.getAndBitwiseOr(memory, statusWord(ref), useFlags << statusShift(ref));
  }

  private long statusWord(int ref) {
    return (statusFrames[ref / STATUSES_PER_FRAME] << 12) + ref % STATUSES_PER_FRAME / 2 * 4L;
  }

  private static int statusShift(int ref) {
    return (ref & 1) << 4;
  }

  @Override
  long granted(int ref) {
    long mfn = (long) LONG.getVolatile(memory, address(ref) + FRAME_V2);
    return Long.compareUnsigned(mfn, NO_FRAME) < 0 ? mfn : NO_FRAME;
  }

  @Override
  void setGranted(int ref, long mfn) {
    LONG.setVolatile(memory, address(ref) + FRAME_V2, mfn);
  }

  @Override
  void swap(int a, int b) {
    for (long half = 0; half < SIZE_V2; half += Long.BYTES) {
      long word = (long) LONG.getVolatile(memory, address(a) + half);
      LONG.setVolatile(
          memory, address(a) + half, (long) LONG.getVolatile(memory, address(b) + half));
      LONG.setVolatile(memory, address(b) + half, word);
    }
  }
}

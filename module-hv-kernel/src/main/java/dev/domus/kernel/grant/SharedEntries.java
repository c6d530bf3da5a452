package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.ACCEPT_TRANSFER;
import static dev.domus.kernel.abi.GrantEntryLayout.COMMITTED;
import static dev.domus.kernel.abi.GrantEntryLayout.COMPLETED;
import static dev.domus.kernel.abi.GrantEntryLayout.FLAGS_AND_DOMID;
import static dev.domus.kernel.abi.GrantEntryLayout.READING;
import static dev.domus.kernel.abi.GrantEntryLayout.WRITING;

import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The frames of a grant table, which the guest maps and writes while the hypervisor reads them. The
 * guest may change an entry between any two accesses, so each of its words is read once for each
 * decision, and changed by compare-and-set against what was decided upon.
 *
 * <p>Every version begins an entry with one 32-bit word of flags and domid. Lock-free but for
 * {@link #add}; claims and clears of one entry are the caller's to serialise. The caller also sees
 * to it that frames are not freed under an access.
 */
abstract sealed class SharedEntries permits SharedEntriesV1, SharedEntriesV2 {
  /** Most frames of a table, as on Xen. */
  static final int MAX_FRAMES = 64;

  /** A number that no frame has. */
  static final long NO_FRAME = 1L << 40;

  static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

  /** How often a guest may change an entry under our hands before the attempt is given up. */
  static final int MAX_RETRIES = 5;

  final MemorySegment memory;
  private final int version;
  private final int perFrame;
  private final int entryShift;

  /** Frame numbers; replaced when one is added. */
  private volatile long[] frames;

  SharedEntries(
      MemorySegment memory, int version, int perFrame, int entryShift, long[] firstFrames) {
    this.memory = memory;
    this.version = version;
    this.perFrame = perFrame;
    this.entryShift = entryShift;
    frames = firstFrames;
  }

  final int version() {
    return version;
  }

  /** Number of entries. */
  final int entries() {
    return frames.length * perFrame;
  }

  /** Says whether the table has an entry of that number. */
  final boolean has(int ref) {
    return Integer.compareUnsigned(ref, entries()) < 0;
  }

  /** Number of frames. */
  final int frames() {
    return frames.length;
  }

  /** The machine frame of a part of the table. */
  final long frame(int index) {
    return frames[index];
  }

  /** All frames, which are not changed. */
  final long[] allFrames() {
    return frames;
  }

  /** Lengthens the table by a frame. One caller at a time. */
  final void add(long mfn) {
    long[] longer = Arrays.copyOf(frames, frames.length + 1);
    longer[frames.length] = mfn;
    frames = longer;
  }

  /** Forgets the frames and returns them. */
  final long[] removeAll() {
    long[] all = frames;
    frames = new long[0];
    return all;
  }

  final long address(int ref) {
    return (frames[ref / perFrame] << 12) + ((long) (ref % perFrame) << entryShift);
  }

  final int header(int ref) {
    return (int) INT.getVolatile(memory, address(ref) + FLAGS_AND_DOMID);
  }

  /** Clears an entry. */
  abstract void clearEntry(int ref);

  /** Writes an entry that permits a domain to use a frame, and says how it is used already. */
  abstract void permit(int ref, int flagsAndDomid, long mfn, int useFlags);

  /**
   * Marks an entry as in use by a domain, if it permits that.
   *
   * @param grant what the hypervisor knows of the entry, locked; told what the entry names if it is
   *     not in use yet
   * @return a grant status
   */
  abstract int claim(int ref, ActiveGrant grant, int grantee, boolean writable, Use use);

  /** Clears flags of use of an entry. */
  abstract void clear(int ref, int useFlags);

  /** The frame number in an entry that grants one. The guest chose it: any value at all. */
  abstract long granted(int ref);

  abstract void setGranted(int ref, long mfn);

  /** Exchanges two entries that are not in use. */
  abstract void swap(int a, int b);

  static int useFlags(boolean writable) {
    return writable ? READING | WRITING : READING;
  }

  // ---- transfer, which is the same in both versions ----

  /** Tells the guest that a frame of a domain's is coming, if the entry accepts that. */
  final int commitTransfer(int ref, int senderDomid) {
    long at = address(ref) + FLAGS_AND_DOMID;
    int accepting = ACCEPT_TRANSFER | senderDomid << 16;
    return INT.compareAndSet(memory, at, accepting, accepting | COMMITTED)
        ? GrantStatus.OKAY
        : GrantStatus.GENERAL_ERROR;
  }

  /** Takes a commitment back: nothing has come. */
  final void abortTransfer(int ref) {
    INT.getAndBitwiseAnd(memory, address(ref) + FLAGS_AND_DOMID, ~COMMITTED);
  }

  /** Tells the guest which frame has come. */
  final void completeTransfer(int ref, long mfn) {
    setGranted(ref, mfn);
    INT.getAndBitwiseOr(memory, address(ref) + FLAGS_AND_DOMID, COMPLETED);
  }
}

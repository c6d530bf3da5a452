package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/**
 * The frames of a version 1 grant table, which the guest maps and writes while the hypervisor reads
 * them. The guest may change an entry between any two accesses, so each of its words is read once
 * for each decision, and changed by compare-and-set against what was decided upon.
 *
 * <p>Lock-free but for {@link #add}. The caller sees to it that frames are not freed under an
 * access.
 */
final class SharedEntries {
  /** Most frames of a table, as on Xen. */
  static final int MAX_FRAMES = 64;

  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();

  /** How often a guest may change an entry under our hands before the attempt is given up. */
  private static final int MAX_RETRIES = 5;

  private final MemorySegment memory;

  /** Frame numbers; replaced when one is added. */
  private volatile long[] frames = {};

  SharedEntries(MemorySegment memory) {
    this.memory = memory;
  }

  /** Number of frames. */
  int frames() {
    return frames.length;
  }

  /** The machine frame of a part of the table. */
  long frame(int index) {
    return frames[index];
  }

  /** Says whether the table has an entry of that number. */
  boolean has(int ref) {
    return Integer.compareUnsigned(ref, frames.length * GrantEntryLayout.PER_FRAME) < 0;
  }

  /** Lengthens the table by a frame. One caller at a time. */
  void add(long mfn) {
    long[] longer = Arrays.copyOf(frames, frames.length + 1);
    longer[frames.length] = mfn;
    frames = longer;
  }

  /** Forgets the frames and returns them. */
  long[] removeAll() {
    long[] all = frames;
    frames = new long[0];
    return all;
  }

  /** Writes an entry that permits access. */
  void permit(int ref, int domid, long mfn) {
    long at = address(ref);
    INT.setVolatile(memory, at + GrantEntryLayout.FRAME, (int) mfn);
    INT.setVolatile(
        memory,
        at + GrantEntryLayout.FLAGS_AND_DOMID,
        GrantEntryLayout.PERMIT_ACCESS | domid << 16);
  }

  /** Marks an entry as in use by a domain, if it permits that; returns a grant status. */
  int claim(int ref, int grantee, boolean writable) {
    long at = address(ref) + GrantEntryLayout.FLAGS_AND_DOMID;
    int use =
        writable ? GrantEntryLayout.READING | GrantEntryLayout.WRITING : GrantEntryLayout.READING;
    for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
      int word = (int) INT.getVolatile(memory, at);
      if ((word & (GrantEntryLayout.TYPE_MASK | GrantEntryLayout.SUB_PAGE))
              != GrantEntryLayout.PERMIT_ACCESS
          || word >>> 16 != grantee
          || writable && (word & GrantEntryLayout.READONLY) != 0) {
        return GrantStatus.GENERAL_ERROR;
      }
      if (INT.compareAndSet(memory, at, word, word | use)) {
        return GrantStatus.OKAY;
      }
    }
    return GrantStatus.GENERAL_ERROR;
  }

  /** The frame number in an entry. The guest chose it: anything that 32 bits hold. */
  long granted(int ref) {
    return (int) INT.getVolatile(memory, address(ref) + GrantEntryLayout.FRAME) & 0xFFFF_FFFFL;
  }

  /** Clears flags of an entry. */
  void clear(int ref, int flags) {
    INT.getAndBitwiseAnd(memory, address(ref) + GrantEntryLayout.FLAGS_AND_DOMID, ~flags);
  }

  /** Exchanges two entries that are not in use. */
  void swap(int a, int b) {
    long atA = address(a);
    long atB = address(b);
    long entry = memory.get(ValueLayout.JAVA_LONG, atA);
    memory.set(ValueLayout.JAVA_LONG, atA, memory.get(ValueLayout.JAVA_LONG, atB));
    memory.set(ValueLayout.JAVA_LONG, atB, entry);
  }

  private long address(int ref) {
    return (frames[ref / GrantEntryLayout.PER_FRAME] << 12)
        + (long) (ref % GrantEntryLayout.PER_FRAME) * GrantEntryLayout.SIZE;
  }
}

package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EACCES;
import static dev.domus.kernel.abi.Errno.EBUSY;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EPERM;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.io.IoRights;
import dev.domus.kernel.io.IoSpace;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * How frames of one domain become page tables and descriptor pages, and cease to be.
 *
 * <h2>What holds what</h2>
 *
 * A table of level <i>n</i> in use holds, for each present entry, a general reference on the frame
 * that the entry names and a type reference on it: level <i>n</i>−1 for <i>n</i> ≥ 2, writable for
 * a leaf with W, none for a leaf without. Taking the first type reference of a table takes all of
 * these, entry by entry; if one cannot be had those before it are put and nothing has happened.
 * Putting the last one puts them all. So the counts in the frame table always equal what tables,
 * pins, base pointers and other holders refer to, which the tests check frame by frame.
 *
 * <h2>Linear page tables</h2>
 *
 * An entry without W may name a table of its own level, so that a guest can read its tables through
 * themselves (xen-pv-abi.md, 5.3). A self-reference holds nothing: it lives exactly as long as the
 * table. Another table is held by a reference of its own level, and must be validated already. A
 * table that contains such entries may not be named by one and the other way round, or chains of
 * them would be taken apart by unbounded recursion (XSA-240); W is refused even if it is to be
 * added later, because the entry would then be a writable mapping of the next level's tables
 * (XSA-182).
 *
 * <h2>Stale translations</h2>
 *
 * Two things must not meet: a processor that still follows an old translation or walks an old
 * table, and a frame in its next use. A frame that becomes a table or descriptor page is flushed
 * between the CAS that excludes all others and its validation (its old writable mappings); a table
 * that ceases to be one is flushed before its references are put and before it can be anything else
 * (walks inside it). {@link DomainTlb} says when that has happened already. References on frames of
 * other owners are put only after a flush, so the owner never has to know who had mapped his frame.
 *
 * <h2>Locks</h2>
 *
 * All methods are called with the domain's MMU lock held, which is why BUSY is never met on a table
 * of one's own but in the recursion itself. Entries are read once; during validation nobody can
 * change them, because the frame has no writable reference and is flushed. Nothing here allocates;
 * recursion is at most six deep.
 */
final class TableTypes {
  /** Result of {@link #compareAndReplaceLeaf}: nothing done, the entry is not what it was. */
  static final int CHANGED = 1;

  private static final VarHandle ENTRY = ValueLayout.JAVA_LONG.varHandle();

  /**
   * The frame number of an entry whose address bits are all ones: not a frame even on the largest
   * machine.
   */
  private static final long ALL_ONES_FRAME = Pte.ADDRESS_MASK >>> 12;

  private final int domid;
  private final MachineFrames machine;
  private final FrameTable frames;
  private final MemorySegment memory;
  private final DomainTlb tlb;
  private final IoRights io;

  TableTypes(int domid, MachineFrames machine, DomainTlb tlb, IoRights io) {
    this.domid = domid;
    this.machine = machine;
    this.tlb = tlb;
    this.io = io;
    frames = machine.table();
    memory = machine.memory();
  }

  // ---- a frame as a table ----

  /**
   * Takes a general reference and one as a table or descriptor page.
   *
   * @param mfn any number
   * @param type {@link FrameTable#L1} to {@link FrameTable#SEGDESC}
   * @return 0 or a negated error number
   */
  int get(long mfn, int type) {
    if (!frames.get(mfn, domid)) {
      return -EINVAL;
    }
    int error = takeType(mfn, type);
    if (error != 0) {
      machine.put(mfn);
    }
    return error;
  }

  /** Puts what {@link #get} took. */
  void put(long mfn) {
    putType(mfn);
    machine.put(mfn);
  }

  private int takeType(long mfn, int type) {
    return switch (frames.takeType(mfn, type)) {
      case FrameTable.TAKEN -> 0;
      case FrameTable.MUST_VALIDATE -> validate(mfn, type);
      default -> -EINVAL;
    };
  }

  private void putType(long mfn) {
    if (frames.putType(mfn) == FrameTable.MUST_DEVALIDATE) {
      flushUnlessDone(mfn);
      putEntries(mfn, frames.type(mfn), Pte.ENTRIES);
      frames.devalidated(mfn);
    }
  }

  private int validate(long mfn, int type) {
    flushUnlessDone(mfn);
    int error =
        type == FrameTable.SEGDESC
            ? SegmentDescriptors.validatePage(memory, mfn)
            : getEntries(mfn, type);
    if (error == 0) {
      frames.validated(mfn);
    } else {
      frames.validationFailed(mfn);
    }
    return error;
  }

  private int getEntries(long table, int level) {
    for (int i = 0; i < Pte.ENTRIES; i++) {
      long entry = load(table, i);
      if (EntryRules.isReserved(level, i) || !EntryRules.isPresent(entry)) {
        continue;
      }
      int error = getEntry(table, level, entry, domid);
      if (error != 0) {
        putEntries(table, level, i);
        return error;
      }
      long adjusted = EntryRules.adjusted(entry, level);
      if (adjusted != entry) {
        ENTRY.setRelease(memory, at(table, i), adjusted);
      }
    }
    if (level == 4) {
      fillReservedSlots(table);
    }
    return 0;
  }

  private void putEntries(long table, int level, int end) {
    for (int i = 0; i < end; i++) {
      long entry = load(table, i);
      if (!EntryRules.isReserved(level, i) && EntryRules.isPresent(entry)) {
        putEntry(table, level, entry);
      }
    }
  }

  private void fillReservedSlots(long table) {
    showM2p(table, true);
    for (int i = EntryRules.FIRST_RESERVED_SLOT + 1; i <= EntryRules.LAST_RESERVED_SLOT; i++) {
      ENTRY.setRelease(memory, at(table, i), 0L);
    }
  }

  /** Puts the M2P into slot 256 of an L4 table in use, or takes it out (m2p_strict). */
  void showM2p(long table, boolean shown) {
    ENTRY.setRelease(
        memory,
        at(table, EntryRules.FIRST_RESERVED_SLOT),
        shown ? machine.m2pMap().slotEntry() : 0L);
  }

  // ---- what an entry refers to ----

  /**
   * Takes the references that a present entry of a table holds.
   *
   * @param targetOwner who has to own what a leaf maps; tables are always the domain's own
   * @return 0 or a negated error number
   */
  int getEntry(long table, int level, long entry, int targetOwner) {
    if (!EntryRules.flagsAllowed(entry, level, io.hasAny())) {
      return -EINVAL;
    }
    return level == 1 ? getLeaf(entry, targetOwner) : getTable(table, level, entry);
  }

  /** Puts the references that a present entry of a table held. */
  void putEntry(long table, int level, long entry) {
    if (level == 1) {
      putLeaf(entry);
    } else {
      putTable(table, level, Pte.mfn(entry));
    }
  }

  private int getLeaf(long entry, int targetOwner) {
    long mfn = Pte.mfn(entry);
    if (!frames.exists(mfn)) {
      return ioError(mfn, targetOwner);
    }
    boolean hypervisors = targetOwner == FrameTable.HYPERVISOR;
    if (hypervisors && (EntryRules.isWritable(entry) || !machine.holdsM2p(mfn))) {
      return -EBUSY; // of what is the hypervisor's, only the M2P is there to be read
    }
    if (!frames.get(mfn, targetOwner)) {
      return -EBUSY;
    }
    if (frames.isSpecial(mfn) && !EntryRules.isWriteBack(entry)) {
      machine.put(mfn);
      return -EACCES;
    }
    if (EntryRules.isWritable(entry)
        && frames.takeType(mfn, FrameTable.WRITABLE) != FrameTable.TAKEN) {
      machine.put(mfn);
      return -EBUSY;
    }
    return 0;
  }

  /**
   * Whether a frame that is not RAM may be mapped: the domain whose table it is has to have the
   * right, and so has the one in whose name it is mapped. No reference is held on it.
   */
  private int ioError(long mfn, int targetOwner) {
    if (mfn == ALL_ONES_FRAME) {
      return -EINVAL;
    }
    boolean ownName = targetOwner == domid || targetOwner == Domid.IO;
    return io.permitsMemory(mfn, 1) && (ownName || machine.permitsIoMemory(targetOwner, mfn))
        ? 0
        : -EPERM;
  }

  private void putLeaf(long entry) {
    long mfn = Pte.mfn(entry);
    if (!frames.exists(mfn)) {
      return;
    }
    if (EntryRules.isWritable(entry)) {
      frames.putType(mfn);
    }
    machine.put(mfn);
  }

  private int getTable(long table, int level, long entry) {
    long target = Pte.mfn(entry);
    if (target == table) {
      return EntryRules.isWritable(entry) ? -EINVAL : 0;
    }
    if (!frames.get(target, domid)) {
      return -EINVAL;
    }
    int error =
        frames.isInUseAs(target, level)
            ? getLinear(table, level, entry)
            : takeType(target, level - 1);
    if (error != 0) {
      machine.put(target);
    }
    return error;
  }

  private int getLinear(long table, int level, long entry) {
    long target = Pte.mfn(entry);
    if (EntryRules.isWritable(entry) || !frames.addLinearEntry(table)) {
      return -EINVAL;
    }
    if (frames.addLinearUse(target)) {
      if (frames.takeType(target, level) == FrameTable.TAKEN) {
        return 0;
      }
      frames.removeLinearUse(target);
    }
    frames.removeLinearEntry(table);
    return -EINVAL;
  }

  private void putTable(long table, int level, long target) {
    if (target == table) {
      return;
    }
    if (frames.type(target) == level) {
      frames.removeLinearUse(target);
      frames.removeLinearEntry(table);
    }
    put(target);
  }

  // ---- changing an entry of a table in use ----

  /**
   * Replaces one entry of a table in use, after the same checks that validation makes.
   *
   * @param table a table of the domain's, in use at the level; the caller holds a general reference
   * @param entry what the guest wants to be there
   * @param targetOwner as in {@link #getEntry}
   * @param preserveAd whether accessed and dirty bits of the old entry are kept
   * @return 0 or a negated error number, and then nothing has changed
   */
  int replace(long table, int level, int index, long entry, int targetOwner, boolean preserveAd) {
    if (EntryRules.isReserved(level, index)) {
      return -EINVAL;
    }
    long old =
        load(table, index); // A and D may be set meanwhile by processors; nobody else stores here
    int error = getUnlessHeld(table, level, old, entry, targetOwner);
    if (error == 0) {
      store(table, index, stored(entry, level), preserveAd);
      putUnlessHeld(table, level, old, entry);
    }
    return error;
  }

  /**
   * As {@link #replace}, for a leaf that maps a frame of the domain's own, if the entry is still
   * what the new value was made from.
   *
   * @param old what the guest has read
   * @return {@link #CHANGED} if the entry is something else by now
   */
  int compareAndReplaceLeaf(long table, int index, long old, long entry) {
    if (load(table, index) != old) {
      return CHANGED;
    }
    int error = getUnlessHeld(table, 1, old, entry, domid);
    if (error != 0) {
      return error;
    }
    if (!ENTRY.compareAndSet(memory, at(table, index), old, stored(entry, 1))) {
      putUnlessHeld(table, 1, entry, old); // a processor has just set A or D
      return CHANGED;
    }
    machine.codeFrames().written(table);
    putUnlessHeld(table, 1, old, entry);
    return 0;
  }

  private static long stored(long entry, int level) {
    return EntryRules.isPresent(entry) ? EntryRules.adjusted(entry, level) : entry;
  }

  /** Takes the references that a new entry needs and that the old one does not hold already. */
  private int getUnlessHeld(long table, int level, long old, long entry, int targetOwner) {
    if (!EntryRules.isPresent(entry)) {
      return 0;
    }
    if (!EntryRules.flagsAllowed(entry, level, io.hasAny())) {
      return -EINVAL;
    }
    return holdsTheSame(old, entry) ? 0 : getEntry(table, level, entry, targetOwner);
  }

  /** Puts the references that an entry held and that the one in its place does not need. */
  private void putUnlessHeld(long table, int level, long gone, long entry) {
    if (EntryRules.isPresent(gone) && !holdsTheSame(gone, entry)) {
      stale(Pte.mfn(gone));
      putEntry(table, level, gone);
    }
  }

  private static boolean holdsTheSame(long one, long other) {
    return EntryRules.isPresent(one)
        && EntryRules.isPresent(other)
        && EntryRules.sameReference(one, other);
  }

  /**
   * Replaces one leaf where the caller has moved the references himself: those of the new entry are
   * there, those of the old one stay. For grant mappings, whose references belong to the grant.
   *
   * @return the old entry
   */
  long swapLeaf(long table, int index, long entry) {
    long old = (long) ENTRY.getAndSet(memory, at(table, index), entry);
    machine.codeFrames().written(table);
    return old;
  }

  /**
   * Marks what a cleared entry referred to as possibly cached, or makes sure that it is not if it
   * is somebody else's. Nobody caches where I/O memory is (see {@link IoSpace}).
   */
  void stale(long mfn) {
    if (!frames.exists(mfn)) {
      return;
    }
    if (frames.owner(mfn) == domid) {
      frames.setTlbStamp(mfn, tlb.now());
    } else {
      tlb.flush();
    }
  }

  private void flushUnlessDone(long mfn) {
    if (!tlb.flushedSince(frames.tlbStamp(mfn))) {
      tlb.flush();
    }
  }

  private void store(long table, int index, long entry, boolean preserveAd) {
    if (!preserveAd) {
      ENTRY.setVolatile(memory, at(table, index), entry);
    } else {
      long old = load(table, index);
      while (!ENTRY.compareAndSet(memory, at(table, index), old, entry | old & (Pte.A | Pte.D))) {
        old = load(table, index);
      }
    }
    machine
        .codeFrames()
        .written(table); // a guest may execute a page that is also a table of its own
  }

  long load(long table, int index) {
    return (long) ENTRY.getVolatile(memory, at(table, index));
  }

  private static long at(long table, int index) {
    return (table << MachineMemory.FRAME_SHIFT) + 8L * index;
  }
}

package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;

import dev.domus.kernel.io.IoRights;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;

/**
 * Changes to entries of tables in use: the references of the new entry are taken, then it is
 * stored, then those of the old one are put, so that at every moment the frames that a processor
 * can reach through the entry are held.
 *
 * <p>What a new entry needs may be a whole tree to validate. Until that is done nothing has been
 * stored, and the call answers RESTART. What the old one held may be a whole tree to take apart; by
 * then the change is done, and the rest is {@linkplain TableWork#isUnfinished left}.
 *
 * <p>All methods are called with the domain's MMU lock held.
 */
final class TableEntries {
  /** Result of {@link #compareAndReplaceLeaf}: nothing done, the entry is not what it was. */
  static final int CHANGED = 1;

  private final int domid;
  private final MachineFrames machine;
  private final FrameTable frames;
  private final MemorySegment memory;
  private final TableTypes types;
  private final DomainTlb tlb;
  private final IoRights io;

  TableEntries(Mmu mmu, TableTypes types) {
    this.types = types;
    domid = mmu.domid();
    machine = mmu.machine();
    frames = machine.table();
    memory = machine.memory();
    tlb = mmu.tlb();
    io = mmu.io();
  }

  /**
   * Replaces one entry of a table in use, after the same checks that validation makes.
   *
   * @param table a table of the domain's, in use at the level; the caller holds a general reference
   * @param entry what the guest wants to be there
   * @param targetOwner as in {@link TableTypes#getEntry}
   * @param preserveAd whether accessed and dirty bits of the old entry are kept
   * @return 0, {@link EntryUpdates#FLUSH_DUE} if an entry above the leaves was present before, or
   *     {@link TableWork#RESTART} or a negated error number, and then nothing has changed; unless
   *     it is RESTART there may be {@linkplain TableWork#isUnfinished work left}
   */
  int replace(
      long table,
      int level,
      int index,
      long entry,
      int targetOwner,
      boolean preserveAd,
      TableWork work) {
    if (EntryRules.isReserved(level, index)) {
      return -EINVAL;
    }
    long old =
        types.load(
            table, index); // A and D may be set meanwhile by processors; nobody else stores here
    int error = getUnlessHeld(table, level, old, entry, targetOwner, work);
    if (error != 0) {
      return error;
    }
    store(table, index, stored(entry, level), preserveAd);
    noteChange(old);
    putUnlessHeld(table, level, old, entry, work);
    return level > 1 && EntryRules.isPresent(old) ? EntryUpdates.FLUSH_DUE : 0;
  }

  /**
   * As {@link #replace}, for a leaf that maps a frame of the domain's own, if the entry is still
   * what the new value was made from.
   *
   * @param old what the guest has read
   * @return {@link #CHANGED} if the entry is something else by now
   */
  int compareAndReplaceLeaf(long table, int index, long old, long entry, TableWork work) {
    if (types.load(table, index) != old) {
      return CHANGED;
    }
    int error = getUnlessHeld(table, 1, old, entry, domid, work);
    if (error != 0) {
      return error;
    }
    if (!TableTypes.ENTRY.compareAndSet(
        memory, TableTypes.at(table, index), old, stored(entry, 1))) {
      putUnlessHeld(table, 1, entry, old, work); // a processor has just set A or D
      return CHANGED;
    }
    machine.codeFrames().written(table);
    noteChange(old);
    putUnlessHeld(table, 1, old, entry, work);
    return 0;
  }

  private static long stored(long entry, int level) {
    return EntryRules.isPresent(entry) ? EntryRules.adjusted(entry, level) : entry;
  }

  /** Takes the references that a new entry needs and that the old one does not hold already. */
  private int getUnlessHeld(
      long table, int level, long old, long entry, int targetOwner, TableWork work) {
    if (!EntryRules.isPresent(entry)) {
      return 0;
    }
    if (!EntryRules.flagsAllowed(entry, level, io.hasAny())) {
      return -EINVAL;
    }
    if (holdsTheSame(old, entry)) {
      return 0;
    }
    int error = types.getEntry(table, level, entry, targetOwner, work);
    if (error < 0 && level > 1 && frames.get(Pte.mfn(entry), domid)) {
      types.undoOrLeave(Pte.mfn(entry), work); // as far as it got
      machine.put(Pte.mfn(entry));
    }
    return error;
  }

  /** Puts the references that an entry held and that the one in its place does not need. */
  private void putUnlessHeld(long table, int level, long gone, long entry, TableWork work) {
    if (!EntryRules.isPresent(gone) || holdsTheSame(gone, entry)) {
      return;
    }
    long target = Pte.mfn(gone);
    stale(target);
    if (level == 1) {
      types.putLeaf(gone);
    } else if (types.putTable(table, level, target, work) == TableWork.RESTART) {
      work.leave(types, target);
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
    long old = (long) TableTypes.ENTRY.getAndSet(memory, TableTypes.at(table, index), entry);
    machine.codeFrames().written(table);
    noteChange(old);
    return old;
  }

  /** Tells whoever loads CR3 from now on that something may be wrong; after the store. */
  private void noteChange(long old) {
    if (EntryRules.isPresent(old)) {
      tlb.changed();
    }
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

  private void store(long table, int index, long entry, boolean preserveAd) {
    if (!preserveAd) {
      TableTypes.ENTRY.setVolatile(memory, TableTypes.at(table, index), entry);
    } else {
      long old = types.load(table, index);
      while (!TableTypes.ENTRY.compareAndSet(
          memory, TableTypes.at(table, index), old, entry | old & (Pte.A | Pte.D))) {
        old = types.load(table, index);
      }
    }
    machine
        .codeFrames()
        .written(table); // a guest may execute a page that is also a table of its own
  }
}

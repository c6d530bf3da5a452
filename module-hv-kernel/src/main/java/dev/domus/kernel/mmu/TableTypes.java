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
 * <p>A leaf may also name a frame of a domain that the caller of the update has named and may act
 * on (a foreign mapping): it holds the same references under the same rules. In a table that is
 * being validated it may not: nobody says then whose frames are meant. A leaf that names an I/O
 * frame, which the domain needs the right to, holds nothing; {@link IoSpace} says why it need not.
 *
 * <h2>In steps</h2>
 *
 * Below an L4 there may be as many tables as the domain has memory for. After each table that is
 * validated or taken apart, {@link TableWork#mustPause} looks whether the vCPU has to leave its
 * pCPU or another one waits for the MMU lock. If so every table on the way down, from L2 up, is
 * parked: PARTIAL, with the entries that it holds counted in the frame table, which has the diagram
 * and says who holds what. {@code RESTART} goes up to the hypercall, the lock is dropped, and the
 * guest makes the same call again. An L1 or a descriptor page is one step: 512 entries at most. A
 * step that is taken is never lost to a pause, so a call that is preempted after every table ends
 * all the same.
 *
 * <p>Upwards: the same call finds the table PARTIAL and goes on at its first entry that is not
 * held, which leads to the table below that was parked with it. Nothing of the tree is reachable
 * for a processor before all of it is valid, and no entry of a table in use is changed before.
 *
 * <p>If an entry is found bad after so much work, undoing it takes as long. All tables on the way
 * are parked, the error goes up, and the table at the top is undone in steps; the call is continued
 * until that is done and only then has its error (never a validation that starts anew from a state
 * half undone, which need not end).
 *
 * <p>Downwards: entries are put from the last to the first, so that those held are always the first
 * ones. If the table below an entry is parked, the entry counts as put: what is left below holds
 * itself. {@link #undoBelow} finds it, for it is always below the first entry that is not held. It
 * looks at one entry and goes down, never along a chain of tables of one level, whatever the guest
 * has written there (XSA-240).
 *
 * <p>PARTIAL tables of a call that the guest has abandoned are met by other calls. One that wants
 * the same type goes on with the work as if it were its own. One that wants to map the frame
 * writable, to store to it, or to use it as a table of another level, undoes it first, as if the
 * other call had not been made. Everybody else (descriptor tables, grants, windows) is refused as
 * with any page table. If a vCPU's half-done call finds its tables undone or used otherwise, it
 * begins anew or fails, as if it had been made later.
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
 * (walks inside it). {@link DomainTlb} says when that has happened already, and why what only a
 * base pointer led to needs none. References on frames of other owners are put only after a flush,
 * so the owner never has to know who had mapped his frame.
 *
 * <p>Devices have no TLB that is ours to flush, but the same holds for them: {@link DomainDma}.
 *
 * <h2>Locks</h2>
 *
 * All methods but {@link #finish} are called with the domain's MMU lock held. BUSY never outlives
 * the lock, which is why it is never met on a table of one's own but in the recursion itself (a
 * cycle, which is refused); what a second vCPU meets is PARTIAL. Entries are read once in a step;
 * from BUSY through PARTIAL to validation nobody can change them, because the frame has no writable
 * reference and was flushed before the first step. Nothing here allocates. Recursion goes down four
 * levels, each with one linear table beside it at most, and once again where a validation meets an
 * abandoned tree.
 */
final class TableTypes {
  private static final int RESTART = TableWork.RESTART;

  static final VarHandle ENTRY = ValueLayout.JAVA_LONG.varHandle();

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
  private final DomainDma dma;
  private final IoRights io;
  private final MmuLock lock;
  private boolean gone;

  TableTypes(
      int domid, MachineFrames machine, DomainTlb tlb, DomainDma dma, IoRights io, MmuLock lock) {
    this.domid = domid;
    this.machine = machine;
    this.tlb = tlb;
    this.dma = dma;
    this.io = io;
    this.lock = lock;
    frames = machine.table();
    memory = machine.memory();
  }

  // ---- a frame as a table ----

  /**
   * Takes a general reference and one as a page table.
   *
   * @param mfn any number
   * @param level 1 to 4
   * @return 0, {@link TableWork#RESTART} or a negated error number; after an error there may be
   *     {@linkplain TableWork#isUnfinished work left}
   */
  int get(long mfn, int level, TableWork work) {
    if (!frames.get(mfn, domid)) {
      return -EINVAL;
    }
    int error = takeType(mfn, level, work);
    if (error < 0) {
      undoOrLeave(mfn, work);
    }
    if (error != 0) {
      machine.put(mfn);
    }
    return error;
  }

  /**
   * Puts what {@link #get} took. If the table is not used any more, it is taken apart, or there is
   * {@linkplain TableWork#isUnfinished work left}.
   */
  void put(long mfn, TableWork work) {
    if (putTree(mfn, work) == RESTART) {
      work.leave(this, mfn);
    }
  }

  /**
   * Puts what {@link #get} took, for a call that will be made again: a table that is not used any
   * more is left PARTIAL with all it holds.
   */
  void setAside(long mfn) {
    if (frames.putType(mfn) == FrameTable.MUST_DEVALIDATE) {
      flushUnlessDone(mfn);
      frames.park(mfn, Pte.ENTRIES);
    }
    machine.put(mfn);
  }

  /**
   * Takes a general reference and one as a descriptor page.
   *
   * @param mfn any number
   * @return 0 or −EINVAL
   */
  int getDescriptors(long mfn) {
    if (!frames.get(mfn, domid)) {
      return -EINVAL;
    }
    int error =
        switch (frames.takeType(mfn, FrameTable.SEGDESC)) {
          case FrameTable.TAKEN -> 0;
          case FrameTable.MUST_VALIDATE -> validateDescriptors(mfn);
          default -> -EINVAL;
        };
    if (error != 0) {
      machine.put(mfn);
    }
    return error;
  }

  /** Puts what {@link #getDescriptors} took. */
  void putDescriptors(long mfn) {
    if (frames.putType(mfn) == FrameTable.LAST && dma.isOn()) {
      frames.forgetType(mfn); // unless somebody has it writable again, which is as good
      dma.open(mfn);
    }
    machine.put(mfn);
  }

  private int validateDescriptors(long mfn) {
    excludeWriters(mfn);
    return validated(mfn, SegmentDescriptors.validatePage(memory, mfn));
  }

  /**
   * Takes a type reference for a writable mapping of a frame, or a store to it.
   *
   * @return 0, {@link TableWork#RESTART} or −EBUSY
   */
  int takeWritable(long mfn, TableWork work) {
    while (frames.takeType(mfn, FrameTable.WRITABLE) != FrameTable.TAKEN) {
      if (!frames.isPartial(mfn) || frames.owner(mfn) != domid) {
        return -EBUSY;
      }
      if (undo(mfn, true, work) == RESTART) {
        return RESTART;
      }
    }
    return 0;
  }

  private int takeType(long mfn, int level, TableWork work) {
    while (true) {
      switch (frames.takeType(mfn, level)) {
        case FrameTable.TAKEN -> {
          return 0;
        }
        case FrameTable.MUST_VALIDATE -> {
          excludeWriters(mfn);
          return level == 1 ? validateLeaves(mfn, work) : validate(mfn, level, 0, work);
        }
        case FrameTable.MUST_RESUME -> {
          return validate(mfn, level, frames.progress(mfn), work);
        }
        default -> {
          if (!frames.isPartial(mfn)) {
            return -EINVAL;
          }
          if (undo(mfn, true, work) == RESTART) {
            return RESTART;
          }
        }
      }
    }
  }

  private int validated(long mfn, int error) {
    if (error == 0) {
      frames.validated(mfn);
    } else {
      frames.validationFailed(mfn);
      dma.open(mfn);
    }
    return error;
  }

  private int validateLeaves(long table, TableWork work) {
    int error = 0;
    for (int i = 0; i < Pte.ENTRIES && error == 0; i++) {
      long entry = load(table, i);
      if (EntryRules.isPresent(entry)) {
        error = getEntry(table, 1, entry, domid, work);
        if (error == 0) {
          adjust(table, 1, i, entry);
        } else {
          putLeaves(table, i);
        }
      }
    }
    work.tableDone();
    return validated(table, error);
  }

  private void putLeaves(long table, int end) {
    for (int i = end - 1; i >= 0; i--) {
      long entry = load(table, i);
      if (EntryRules.isPresent(entry)) {
        putLeaf(entry);
      }
    }
  }

  /** Validates a BUSY table of level 2 or more from an entry on; parks it unless that succeeds. */
  private int validate(long table, int level, int from, TableWork work) {
    for (int i = from; i < Pte.ENTRIES; i++) {
      long entry = load(table, i);
      if (EntryRules.isReserved(level, i) || !EntryRules.isPresent(entry)) {
        continue;
      }
      int error = getEntry(table, level, entry, domid, work);
      if (error != 0) {
        frames.park(table, i);
        return error;
      }
      adjust(table, level, i, entry);
      if (work.mustPause(lock)) {
        frames.park(table, i + 1);
        return RESTART;
      }
    }
    if (level == 4) {
      fillReservedSlots(table);
    }
    frames.validated(table);
    work.tableDone();
    return 0;
  }

  private void adjust(long table, int level, int index, long entry) {
    long adjusted = EntryRules.adjusted(entry, level);
    if (adjusted != entry) {
      ENTRY.setRelease(memory, at(table, index), adjusted);
    }
  }

  /**
   * Takes a BUSY table apart.
   *
   * @param end how many entries hold their references
   * @param linearToo whether what is left below may be a table of the same level
   * @return 0, or {@link TableWork#RESTART} if it has been parked
   */
  private int devalidate(long table, int level, int end, boolean linearToo, TableWork work) {
    tlb.changed();
    if (level == 1) {
      putLeaves(table, end);
    } else {
      if (undoBelow(table, level, end, linearToo, work) == RESTART) {
        frames.park(table, end);
        return RESTART;
      }
      for (int i = end - 1; i >= 0; i--) {
        long entry = load(table, i);
        if (EntryRules.isReserved(level, i) || !EntryRules.isPresent(entry)) {
          continue;
        }
        if (putTable(table, level, Pte.mfn(entry), work) == RESTART || work.mustPause(lock)) {
          frames.park(table, i);
          return RESTART;
        }
      }
    }
    frames.devalidated(table);
    dma.open(table);
    work.tableDone();
    return 0;
  }

  /** Undoes what may have been parked below the first entry of a table that is not held. */
  private int undoBelow(long table, int level, int end, boolean linearToo, TableWork work) {
    long entry = end < Pte.ENTRIES ? load(table, end) : 0;
    long target = Pte.mfn(entry);
    if (!EntryRules.isPresent(entry)
        || EntryRules.isReserved(level, end)
        || target == table
        || !frames.get(target, domid)) {
      return 0;
    }
    int type = frames.type(target);
    boolean below = type < level;
    int result = below || type == level && linearToo ? undo(target, below, work) : 0;
    machine.put(target);
    return result;
  }

  /** Takes a frame of the domain's apart if it is PARTIAL. The caller holds a reference on it. */
  private int undo(long mfn, boolean linearToo, TableWork work) {
    return frames.takePartial(mfn)
        ? devalidate(mfn, frames.type(mfn), frames.progress(mfn), linearToo, work)
        : 0;
  }

  /** Undoes what has been begun of a frame that the caller holds a reference on. */
  void undoOrLeave(long mfn, TableWork work) {
    if (undo(mfn, true, work) == RESTART) {
      work.leave(this, mfn);
    }
  }

  /**
   * Goes on with a table that was left to be taken apart; whoever has used or undone it meanwhile
   * has saved the work. Takes the lock.
   *
   * @return 0 or {@link TableWork#RESTART}, the latter only if the caller has been preempted
   */
  int finish(long mfn, TableWork work) {
    int result;
    do {
      result = 0;
      lock.lock();
      try {
        if (!gone && frames.get(mfn, domid)) {
          result = undo(mfn, true, work);
          machine.put(mfn);
        }
      } finally {
        lock.unlock();
      }
    } while (work.goesOn(result, lock));
    return result;
  }

  /** The domain is gone, and its id may be another's soon. */
  void close() {
    gone = true;
  }

  private void fillReservedSlots(long table) {
    showM2p(table, true);
    for (int i = EntryRules.FIRST_RESERVED_SLOT + 1; i <= EntryRules.LAST_RESERVED_SLOT; i++) {
      ENTRY.setRelease(memory, at(table, i), 0L);
    }
  }

  /** Puts the M2P into slot 256 of an L4 table in use, or takes it out (m2p_strict). */
  void showM2p(long table, boolean shown) {
    long place = at(table, EntryRules.FIRST_RESERVED_SLOT);
    long entry = shown ? machine.m2pMap().slotEntry() : 0L;
    long old = (long) ENTRY.getAndSet(memory, place, entry);
    if (old != entry && EntryRules.isPresent(old)) {
      tlb.changed();
      tlb.flushAddressSpace(table);
    }
  }

  // ---- what an entry refers to ----

  /**
   * Takes the references that a present entry of a table holds.
   *
   * @param targetOwner who has to own what a leaf maps; tables are always the domain's own
   * @return 0 or a negated error number
   */
  int getEntry(long table, int level, long entry, int targetOwner, TableWork work) {
    if (!EntryRules.flagsAllowed(entry, level, io.hasAny())) {
      return -EINVAL;
    }
    return level == 1 ? getLeaf(entry, targetOwner, work) : getTable(table, level, entry, work);
  }

  private int getLeaf(long entry, int targetOwner, TableWork work) {
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
    int error = EntryRules.isWritable(entry) ? takeWritable(mfn, work) : 0;
    if (error != 0) {
      machine.put(mfn);
    }
    return error;
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

  /** Puts the references that a present leaf held. */
  void putLeaf(long entry) {
    long mfn = Pte.mfn(entry);
    if (!frames.exists(mfn)) {
      return;
    }
    if (EntryRules.isWritable(entry)) {
      frames.putType(mfn);
    }
    machine.put(mfn);
  }

  private int getTable(long table, int level, long entry, TableWork work) {
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
            : takeType(target, level - 1, work);
    if (error != 0) {
      machine.put(target);
    }
    return error;
  }

  private int getLinear(long table, int level, long entry) {
    long target = Pte.mfn(entry);
    if (EntryRules.isWritable(entry) || !frames.linear().addEntry(table)) {
      return -EINVAL;
    }
    if (frames.linear().addUse(target)) {
      if (frames.takeType(target, level) == FrameTable.TAKEN) {
        return 0;
      }
      frames.linear().removeUse(target);
    }
    frames.linear().removeEntry(table);
    return -EINVAL;
  }

  /** Puts what an entry above the leaves held; RESTART if the table below has been parked. */
  int putTable(long table, int level, long target, TableWork work) {
    if (target == table) {
      return 0;
    }
    if (frames.type(target) == level) {
      frames.linear().removeUse(target);
      frames.linear().removeEntry(table);
    }
    return putTree(target, work);
  }

  private int putTree(long mfn, TableWork work) {
    int result = 0;
    if (frames.putType(mfn) == FrameTable.MUST_DEVALIDATE) {
      flushUnlessDone(mfn);
      result = devalidate(mfn, frames.type(mfn), Pte.ENTRIES, true, work);
    }
    machine.put(mfn);
    return result;
  }

  // ---- stale translations, and entries ----

  /** Nobody has a way to write a frame when this returns; it is BUSY. */
  private void excludeWriters(long mfn) {
    flushUnlessDone(mfn);
    dma.withdraw(mfn);
  }

  private void flushUnlessDone(long mfn) {
    if (!tlb.flushedSince(frames.tlbStamp(mfn))) {
      tlb.flush();
    }
  }

  long load(long table, int index) {
    return (long) ENTRY.getVolatile(memory, at(table, index));
  }

  static long at(long table, int index) {
    return (table << MachineMemory.FRAME_SHIFT) + 8L * index;
  }
}

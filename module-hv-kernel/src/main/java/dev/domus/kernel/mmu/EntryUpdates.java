package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;

import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Changes to single page-table entries, descriptors and pages of one domain: where the entry is,
 * whether its frame is the domain's, and what it is in use as. The rules for the entry itself are
 * {@link TableTypes}' and {@link TableEntries}'.
 *
 * <p>Each method takes the MMU lock; arguments may be any value at all.
 */
final class EntryUpdates implements GrantEntries {
  /**
   * Result of {@link #update}: done, and the domain's TLBs have to be flushed before the guest runs
   * on.
   */
  static final int FLUSH_DUE = 1;

  /** Result of {@link #update}: done, and it may have taken long; nothing has to be flushed. */
  static final int TREE_CHANGED = 3;

  /** Grant status: general error. */
  static final int GNTST_GENERAL_ERROR = -1;

  private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();
  private static final long NO_PLACE = -1, NO_SOURCE = -1, NO_TABLE = -1;

  private final Mmu mmu;
  private final int domid;
  private final MachineFrames machine;
  private final FrameTable frames;
  private final MemorySegment memory;
  private final TableTypes types;
  private final TableEntries entries;

  EntryUpdates(Mmu mmu, TableTypes types) {
    this.mmu = mmu;
    this.types = types;
    entries = new TableEntries(mmu, types);
    domid = mmu.domid();
    machine = mmu.machine();
    frames = machine.table();
    memory = machine.memory();
  }

  // ---- page-table entries ----

  /** Where the page-table entry is that maps an address, or −1 if a level is missing. */
  private long leafPlace(long kernelTable, long va) {
    long table = kernelTable;
    for (int level = 4; level > 1; level--) {
      long entry = types.load(table, Pte.index(va, level));
      if (!EntryRules.isPresent(entry)) {
        return NO_PLACE;
      }
      table = Pte.mfn(entry);
    }
    return (table << MachineMemory.FRAME_SHIFT) + 8L * Pte.index(va, 1);
  }

  /**
   * Replaces the leaf that maps an address in a vCPU's kernel address space.
   *
   * @param va any value
   * @param entry the new leaf
   * @param targetOwner who has to own the frame that it maps
   * @return 0, {@link TableWork#RESTART} or a negated error number
   */
  int updateMapping(AddressSpaces v, long va, long entry, int targetOwner, TableWork work) {
    if (!GuestRange.isOk(va, 1) || v.kernelTable() < 0) {
      return -EINVAL;
    }
    int result;
    do {
      mmu.lock();
      try {
        long place = leafPlace(v.kernelTable(), va);
        result = place == NO_PLACE ? -EINVAL : updateLeaf(place, entry, targetOwner, work);
      } finally {
        mmu.unlock();
      }
    } while (mmu.goesOn(result, work));
    return result;
  }

  private int updateLeaf(long place, long entry, int targetOwner, TableWork work) {
    long table = place >>> MachineMemory.FRAME_SHIFT;
    if (!frames.get(table, domid)) {
      return -EINVAL;
    }
    int error =
        frames.isInUseAs(table, FrameTable.L1)
            ? entries.replace(table, 1, indexOf(place), entry, targetOwner, false, work)
            : -EINVAL; // reached through a linear entry: a leaf of that view is an entry of a
    // higher table
    machine.put(table);
    return error;
  }

  /**
   * Stores eight bytes at a machine address: an entry if a table in use is there, plain data
   * otherwise.
   *
   * @param ma aligned to 8
   * @param targetOwner who has to own what a leaf maps
   * @param preserveAd whether accessed and dirty bits survive
   * @return 0, {@link #FLUSH_DUE}, {@link #TREE_CHANGED}, {@link TableWork#RESTART} or a negated
   *     error number; unless it is RESTART there may be {@linkplain TableWork#isUnfinished work
   *     left}
   */
  int update(long ma, long entry, int targetOwner, boolean preserveAd, TableWork work) {
    long mfn = ma >>> MachineMemory.FRAME_SHIFT;
    int result;
    do {
      mmu.lock();
      try {
        if (mmu.isDying()) {
          return -EINVAL;
        }
        result = updateAnywhere(mfn, ma, entry, targetOwner, preserveAd, work);
      } finally {
        mmu.unlock();
      }
    } while (mmu.goesOn(result, work));
    return result;
  }

  /**
   * Carries out mmu_update requests that follow each other, as {@link #update} would each, under
   * one hold of the lock, until one is no update of a leaf, fails, or leaves something to do. A
   * table of leaves that one has found in use is not looked at again for the next: it cannot cease
   * to be one, or the domain's, while the lock and a reference are held.
   *
   * @param words pointer and value of each request, the first an entry update
   * @param count how many
   * @return what {@link Batch#outcome} makes of it
   */
  long updateRun(long[] words, int count, int targetOwner, TableWork work) {
    int done = 0;
    int result = 0;
    mmu.lock();
    try {
      if (mmu.isDying()) {
        return Batch.outcome(1, -EINVAL);
      }
      long table = NO_TABLE;
      while (done < count) {
        long ptr = words[2 * done];
        long mfn = ptr >>> MachineMemory.FRAME_SHIFT;
        int command = (int) ptr & 7;
        if (done > 0 && !MmuUpdate.isEntryUpdate(command)) {
          break;
        }
        boolean preserveAd = MmuUpdate.preservesAd(command);
        long entry = words[2 * done + 1];
        done++;
        if (mfn != table) {
          putTable(table);
          table = getLeafTable(mfn);
        }
        result =
            table == NO_TABLE
                ? updateAnywhere(mfn, ptr & ~7L, entry, targetOwner, preserveAd, work)
                : entries.replace(mfn, 1, indexOf(ptr), entry, targetOwner, preserveAd, work);
        // Whatever else was stored to may be where the next requests are: they are to be read
        // again.
        if (result != 0 || work.isUnfinished() || table == NO_TABLE) {
          break;
        }
      }
      putTable(table);
    } finally {
      mmu.unlock();
    }
    if (result == TableWork.RESTART && mmu.goesOn(result, work)) {
      // For others who wanted the lock: they have had it, and the caller asks again at once.
      return done > 1 ? Batch.outcome(done - 1, 0) : again(words, targetOwner, work);
    }
    return Batch.outcome(done, result);
  }

  private long again(long[] words, int targetOwner, TableWork work) {
    boolean preserveAd = MmuUpdate.preservesAd((int) words[0] & 7);
    return Batch.outcome(1, update(words[0] & ~7L, words[1], targetOwner, preserveAd, work));
  }

  /** A table of leaves in use of the domain's, with a reference, or {@link #NO_TABLE}. */
  private long getLeafTable(long mfn) {
    if (!frames.get(mfn, domid)) {
      return NO_TABLE;
    }
    if (!frames.isInUseAs(mfn, FrameTable.L1)) {
      machine.put(mfn);
      return NO_TABLE;
    }
    return mfn;
  }

  private void putTable(long table) {
    if (table != NO_TABLE) {
      machine.put(table);
    }
  }

  private int updateAnywhere(
      long mfn, long ma, long entry, int targetOwner, boolean preserveAd, TableWork work) {
    if (!frames.get(mfn, domid)) {
      return -EINVAL;
    }
    int result = updateFrame(mfn, ma, entry, targetOwner, preserveAd, work);
    machine.put(mfn);
    return result;
  }

  private int updateFrame(
      long mfn, long ma, long entry, int targetOwner, boolean preserveAd, TableWork work) {
    int level = frames.type(mfn);
    if (level >= FrameTable.L1 && level <= FrameTable.L4 && frames.isInUseAs(mfn, level)) {
      int result = entries.replace(mfn, level, indexOf(ma), entry, targetOwner, preserveAd, work);
      return level == 1 ? result : treeChanged(mfn, level, result);
    }
    int error = types.takeWritable(mfn, work);
    if (error != 0) {
      return error == TableWork.RESTART ? error : -EINVAL;
    }
    store(mfn, ma, entry);
    frames.putType(mfn);
    return 0;
  }

  /**
   * What a change above the leaves owes the guest: there are paging-structure caches, and linear
   * views of what was below (XSA-286). Through a table that others lead to it may be in use under
   * any base; through an L4 that no table names only under that one.
   */
  private int treeChanged(long table, int level, int result) {
    if (result == FLUSH_DUE && level == FrameTable.L4 && frames.linear().count(table) >= 0) {
      mmu.tlb().flushAddressSpace(table);
      return TREE_CHANGED;
    }
    return result == 0 ? TREE_CHANGED : result;
  }

  private void store(long mfn, long ma, long value) {
    WORD.setVolatile(memory, ma, value);
    machine.codeFrames().written(mfn);
  }

  /**
   * Replaces an entry of an L1 table in use, if it is still what the new value was made from.
   *
   * @param table a frame on which the caller holds a general reference
   * @param old what the guest has read
   * @return 0, {@link TableEntries#CHANGED}, {@link TableWork#RESTART} or a negated error number
   */
  int compareAndUpdateLeaf(long table, int index, long old, long entry, TableWork work) {
    int result;
    do {
      mmu.lock();
      try {
        result =
            frames.isInUseAs(table, FrameTable.L1)
                ? entries.compareAndReplaceLeaf(table, index, old, entry, work)
                : -EINVAL;
      } finally {
        mmu.unlock();
      }
    } while (mmu.goesOn(result, work));
    return result;
  }

  private static int indexOf(long place) {
    return (int) (place >>> 3) & 511;
  }

  // ---- entries that map granted frames ----

  @Override
  public int installGrant(AddressSpaces v, long hostAddress, long entry, boolean containsPte) {
    mmu.lock();
    try {
      long place = grantPlace(v, hostAddress, containsPte);
      if (place == NO_PLACE
          || !EntryRules.isPresent(entry)
          || !EntryRules.flagsAllowed(entry, 1, mmu.io().hasAny())) {
        return GNTST_GENERAL_ERROR;
      }
      swap(place, EntryRules.adjusted(entry, 1));
      return 0;
    } finally {
      mmu.unlock();
    }
  }

  @Override
  public int removeGrant(
      AddressSpaces v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
    mmu.lock();
    try {
      long place = grantPlace(v, hostAddress, containsPte);
      if (place == NO_PLACE || !maps(place, mfn, writable)) {
        return GNTST_GENERAL_ERROR;
      }
      entries.swapLeaf(place >>> MachineMemory.FRAME_SHIFT, indexOf(place), 0);
      return 0;
    } finally {
      mmu.unlock();
    }
  }

  /** The entry moves with its references (XSA-234). */
  @Override
  public int replaceGrant(
      AddressSpaces v, long hostAddress, long newAddress, long mfn, boolean writable) {
    mmu.lock();
    try {
      long place = grantPlace(v, hostAddress, false);
      long source = grantPlace(v, newAddress, false);
      if (place == NO_PLACE
          || source == NO_PLACE
          || place == source
          || !maps(place, mfn, writable)) {
        return GNTST_GENERAL_ERROR;
      }
      long moved = entries.swapLeaf(source >>> MachineMemory.FRAME_SHIFT, indexOf(source), 0);
      entries.swapLeaf(place >>> MachineMemory.FRAME_SHIFT, indexOf(place), moved);
      return 0;
    } finally {
      mmu.unlock();
    }
  }

  @Override
  public void flush() {
    mmu.flushTlb();
  }

  /**
   * Where a grant's entry is, if that is in an L1 table in use of this domain's; else {@link
   * #NO_PLACE}.
   */
  private long grantPlace(AddressSpaces v, long hostAddress, boolean containsPte) {
    long place;
    if (containsPte) {
      place = (hostAddress & 7) == 0 ? hostAddress : NO_PLACE; // XSA-227
    } else {
      place =
          GuestRange.isOk(hostAddress, 1) && v.kernelTable() >= 0
              ? leafPlace(v.kernelTable(), hostAddress)
              : NO_PLACE;
    }
    long table = place >>> MachineMemory.FRAME_SHIFT;
    boolean usable =
        place != NO_PLACE
            && frames.exists(table)
            && frames.owner(table) == domid
            && frames.isInUseAs(table, FrameTable.L1);
    return usable ? place : NO_PLACE;
  }

  private boolean maps(long place, long mfn, boolean writable) {
    long entry = types.load(place >>> MachineMemory.FRAME_SHIFT, indexOf(place));
    return EntryRules.isPresent(entry)
        && Pte.mfn(entry) == mfn
        && EntryRules.isWritable(entry) == writable;
  }

  private void swap(long place, long entry) {
    long old = entries.swapLeaf(place >>> MachineMemory.FRAME_SHIFT, indexOf(place), entry);
    if (EntryRules.isPresent(old)) {
      entries.stale(Pte.mfn(old));
      types.putLeaf(old);
    }
  }

  // ---- descriptors ----

  int updateDescriptor(long ma, long descriptor) {
    long mfn = ma >>> MachineMemory.FRAME_SHIFT;
    long fixed = SegmentDescriptors.fixed(descriptor);
    if ((ma & 7) != 0 || fixed == SegmentDescriptors.REFUSED || !frames.get(mfn, domid)) {
      return -EINVAL;
    }
    mmu.lock();
    try {
      // A page found bad as descriptors keeps that as its last type, and is writable all the same.
      boolean live = frames.type(mfn) == FrameTable.SEGDESC && frames.isValidated(mfn);
      if (live ? types.getDescriptors(mfn) != 0 : !machine.getWritable(domid, mfn)) {
        return -EINVAL;
      }
      store(mfn, ma, fixed);
      if (live) {
        types.putDescriptors(mfn);
      } else {
        machine.putWritable(mfn);
      }
      return 0;
    } finally {
      mmu.unlock();
      machine.put(mfn);
    }
  }

  // ---- whole pages ----

  /** Clears one of the domain's pages. */
  int clearPage(long mfn) {
    return fillPage(mfn, NO_SOURCE);
  }

  /** Copies between two of the domain's pages; both numbers may be any value. */
  int copyPage(long target, long source) {
    if (!frames.get(source, domid)) {
      return -EINVAL;
    }
    int error = fillPage(target, source);
    machine.put(source);
    return error;
  }

  private int fillPage(long target, long source) {
    if (!machine.getWritable(domid, target)) {
      return -EINVAL;
    }
    long to = target << MachineMemory.FRAME_SHIFT;
    if (source == NO_SOURCE) {
      memory.asSlice(to, MachineMemory.FRAME_BYTES).fill((byte) 0);
    } else {
      MemorySegment.copy(
          memory, source << MachineMemory.FRAME_SHIFT, memory, to, MachineMemory.FRAME_BYTES);
    }
    machine.codeFrames().written(target);
    machine.putWritable(target);
    return 0;
  }
}

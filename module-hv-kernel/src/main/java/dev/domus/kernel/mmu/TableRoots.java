package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;

import dev.domus.memory.FrameTable;

/**
 * What keeps a domain's page tables in use without another table: pins and base pointers
 * (xen-pv-abi.md, 5.6 and 6.3).
 *
 * <p>Each of these may take a whole tree in use and another one apart, so each may be preempted
 * ({@link TableWork}). Until a method has answered something else than RESTART, nothing has changed
 * but the state of tables that nobody uses; what it has put is out of use at once, and what is left
 * of taking that apart is noted in the caller's work.
 *
 * <p>Methods take the MMU lock and drop it when they pause. They answer 0, {@link
 * TableWork#RESTART} or a negated error number; frame numbers may be any value.
 */
public final class TableRoots {
  private final Mmu mmu;
  private final int domid;
  private final MachineFrames machine;
  private final FrameTable frames;
  private final TableTypes types;
  private final MmuLock lock;

  TableRoots(Mmu mmu, TableTypes types, MmuLock lock) {
    this.mmu = mmu;
    this.types = types;
    this.lock = lock;
    domid = mmu.domid();
    machine = mmu.machine();
    frames = machine.table();
  }

  // ---- pins ----

  /**
   * Pins a page table, validating it if need be.
   *
   * @param level 1 to 4
   */
  public int pin(int level, long mfn, TableWork work) {
    int result;
    do {
      lock.lock();
      try {
        result = mmu.isDying() ? -EINVAL : types.get(mfn, level, work);
        if (result == 0 && !frames.pin(mfn)) {
          types.put(mfn, work);
          result = -EINVAL;
        }
      } finally {
        lock.unlock();
      }
    } while (work.goesOn(result, lock));
    return result;
  }

  /** Takes a pin away; the table ceases to be one if nothing else uses it. */
  int unpin(long mfn, TableWork work) {
    lock.lock();
    try {
      if (!frames.get(mfn, domid)) {
        return -EINVAL;
      }
      boolean pinned = frames.unpin(mfn);
      if (pinned) {
        types.put(mfn, work);
      }
      machine.put(mfn);
      return pinned ? 0 : -EINVAL;
    } finally {
      lock.unlock();
    }
  }

  // ---- base pointers ----

  /**
   * Makes an L4 table the kernel's base pointer of a vCPU, which uses none of its translations any
   * more that may have become wrong.
   */
  public int newBasePointer(AddressSpaces v, long mfn, TableWork work) {
    int result;
    do {
      lock.lock();
      try {
        result = loadKernelTable(v, mfn, work);
      } finally {
        lock.unlock();
      }
    } while (work.goesOn(result, lock));
    return result;
  }

  private int loadKernelTable(AddressSpaces v, long mfn, TableWork work) {
    long old = v.kernelTable();
    if (mmu.isDying() || mfn < 0) {
      return -EINVAL;
    }
    if (mfn == old) {
      v.setKernelTable(mfn);
      return 0;
    }
    int error = types.get(mfn, FrameTable.L4, work);
    if (error != 0) {
      return error;
    }
    mmu.descriptors(v.id()).detachLdt();
    types.showM2p(mfn, true);
    v.setKernelTable(mfn);
    dropBasePointer(old, work);
    return 0;
  }

  /**
   * Makes an L4 table the user's base pointer of a vCPU.
   *
   * @param mfn the table, or 0 for none
   * @param m2pVisible whether guest user mode sees the M2P
   */
  int newUserBasePointer(AddressSpaces v, long mfn, boolean m2pVisible, TableWork work) {
    int result;
    do {
      lock.lock();
      try {
        result = loadUserTable(v, mfn, m2pVisible, work);
      } finally {
        lock.unlock();
      }
    } while (work.goesOn(result, lock));
    return result;
  }

  private int loadUserTable(AddressSpaces v, long mfn, boolean m2pVisible, TableWork work) {
    long old = v.userTable();
    if (mfn == old || mfn == 0 && old < 0) {
      return 0;
    }
    if (mfn != 0) {
      int error = types.get(mfn, FrameTable.L4, work);
      if (error != 0) {
        return error;
      }
      types.showM2p(mfn, m2pVisible || mfn == v.kernelTable());
    }
    v.setUserTable(mfn == 0 ? -1 : mfn);
    dropBasePointer(old, work);
    return 0;
  }

  /** Leaves no stamp: under a base that it would have to load, a vCPU uses no translation. */
  private void dropBasePointer(long mfn, TableWork work) {
    if (mfn >= 0) {
      types.put(mfn, work);
    }
  }

  /**
   * Gives a vCPU that does not run its base pointers and descriptor tables, all or none.
   *
   * @param userTable 0 for none
   * @param m2pVisible whether guest user mode sees the M2P
   * @param gdtFrames at least as many as the entries need
   */
  public int setUpVcpu(
      AddressSpaces v,
      long kernelTable,
      long userTable,
      boolean m2pVisible,
      long[] gdtFrames,
      int gdtEntries,
      long ldtBase,
      int ldtEntries,
      TableWork work) {
    if (gdtEntries < 0
        || gdtEntries > SegmentDescriptors.GUEST_ENTRIES
        || !DescriptorTables.ldtAllowed(ldtBase, ldtEntries)) {
      return -EINVAL;
    }
    int result;
    do {
      lock.lock();
      try {
        result = takeAll(v, kernelTable, userTable, gdtFrames, gdtEntries, work);
        if (result == 0) {
          mmu.descriptors(v.id()).setLdt(ldtBase, ldtEntries);
          types.showM2p(kernelTable, true);
          if (userTable != 0) {
            types.showM2p(userTable, m2pVisible || userTable == kernelTable);
          }
          long oldKernel = v.kernelTable();
          long oldUser = v.userTable();
          v.setKernelTable(kernelTable);
          v.setUserTable(userTable == 0 ? -1 : userTable);
          dropBasePointer(oldKernel, work);
          dropBasePointer(oldUser, work);
        }
      } finally {
        lock.unlock();
      }
    } while (work.goesOn(result, lock));
    return result;
  }

  private int takeAll(
      AddressSpaces v,
      long kernelTable,
      long userTable,
      long[] gdtFrames,
      int gdtEntries,
      TableWork work) {
    int error = mmu.isDying() ? -EINVAL : types.get(kernelTable, FrameTable.L4, work);
    if (error != 0) {
      return error;
    }
    error = userTable == 0 ? 0 : types.get(userTable, FrameTable.L4, work);
    if (error == TableWork.RESTART) {
      types.setAside(kernelTable); // it is wanted again, and must not be validated from anew
      return error;
    }
    if (error == 0) {
      error = mmu.descriptors(v.id()).setGdt(gdtFrames, gdtEntries);
      if (error != 0 && userTable != 0) {
        types.put(userTable, work);
      }
    }
    if (error != 0) {
      types.put(kernelTable, work);
    }
    return error;
  }

  // ---- the end of a domain ----

  /**
   * Takes their base pointers from vCPUs that do not run any more.
   *
   * @return false if it has been preempted and is to be called again
   */
  boolean dropAll(AddressSpaces[] vcpus, TableWork work) {
    for (AddressSpaces v : vcpus) {
      lock.lock();
      try {
        long kernel = v.kernelTable();
        long user = v.userTable();
        if (kernel >= 0) {
          v.setKernelTable(-1);
          dropBasePointer(kernel, work);
        }
        if (user >= 0) {
          v.setUserTable(-1);
          dropBasePointer(user, work);
        }
      } finally {
        lock.unlock();
      }
      if (!work.finish()) {
        return false; // what is left is PARTIAL, and found by release
      }
    }
    return true;
  }

  /**
   * Takes the pin from a frame, and apart what a hypercall that nobody continues has left of it.
   *
   * @return false if it has been preempted and is to be called again
   */
  boolean release(long mfn, TableWork work) {
    unpin(mfn, work);
    return work.finish() && types.finish(mfn, work) != TableWork.RESTART;
  }
}

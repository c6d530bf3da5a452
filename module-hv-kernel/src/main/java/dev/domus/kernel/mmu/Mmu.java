package dev.domus.kernel.mmu;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOMEM;

import dev.domus.kernel.io.IoRights;
import dev.domus.memory.FrameClaim;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.PhysToMachine;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/**
 * The memory of one domain: its frames, its page tables, and every operation that changes them.
 *
 * <h2>Locks</h2>
 *
 * All changes of a domain's tables are made under its one MMU lock. Nobody ever holds two of them:
 * what concerns another domain's frames (mapping a granted frame, putting the last reference on
 * one) is done by CAS on the frame table without its owner's lock, and a privileged domain that
 * changes another's tables takes that domain's lock only. Lock order: life-cycle lock, grant-table
 * lock, MMU lock, allocator. A thread that holds the MMU lock may flush TLBs, which waits until
 * vCPUs leave guest mode; so no engine may call anything here that locks from inside guest mode.
 * {@link #descriptor}, the only method that it does call there, takes no lock.
 *
 * <h2>Results</h2>
 *
 * Methods answer 0 or a negated error number of the ABI and have then changed nothing. A frame
 * number or address may be any value at all. {@code TableTypes} has the rules; this class is their
 * order and their locks.
 */
public final class Mmu {
  private static final long FRAMES_BETWEEN_LOOKS = 1024;

  private final int domid;
  private volatile long maxPages;
  private final MachineFrames machine;
  private final FrameTable frames;
  private final MemorySegment memory;
  private final DomainTlb tlb;
  private final DomainDma dma;
  private final IoRights io;
  private final TableTypes types;
  private final EntryUpdates entries;
  private final PhysToMachine p2m;
  private final DescriptorTables[] descriptors;
  private final TableRoots roots;
  private final MmuLock lock = new MmuLock();

  /** Frames that count as the domain's memory, and all that bear its id. */
  private final AtomicLong pages = new AtomicLong(), owned = new AtomicLong();

  /** What is set aside for the domain; guarded by the lock. */
  private Optional<FrameClaim> claim = Optional.empty();

  private volatile boolean dying;

  /** How far {@link #relinquish} has come: frames whose pins are gone, and frames given up. */
  private long unpinned, givenUp;

  /**
   * Makes a domain's memory, empty.
   *
   * @param machine the machine's frames
   * @param domid whose frames these will be
   * @param maxPages how many frames the domain may have
   * @param vcpus how many vCPUs it has
   * @param translations what these have cached
   */
  public Mmu(
      MachineFrames machine, int domid, long maxPages, int vcpus, VcpuTranslations translations) {
    this.machine = machine;
    this.domid = domid;
    this.maxPages = maxPages;
    frames = machine.table();
    memory = machine.memory();
    tlb = new DomainTlb(translations);
    dma = new DomainDma(domid, frames);
    io = new IoRights(tlb::flush);
    types = new TableTypes(domid, machine, tlb, dma, io, lock);
    entries = new EntryUpdates(this, types);
    p2m = new PhysToMachine(Math.min(maxPages, MachineMemory.MAX_FRAMES));
    descriptors = new DescriptorTables[vcpus];
    for (int i = 0; i < vcpus; i++) {
      descriptors[i] = new DescriptorTables(memory, types);
    }
    roots = new TableRoots(this, types, lock);
    machine.register(this);
  }

  /** The domain's id. */
  public int domid() {
    return domid;
  }

  /** Number of frames that the domain has. */
  public long pages() {
    return pages.get();
  }

  /** Number of frames that it may have. */
  public long maxPages() {
    return maxPages;
  }

  /** Changes how many frames it may have; what it has beyond that, it keeps. */
  public void setMaxPages(long newMaxPages) {
    maxPages = newMaxPages;
  }

  /** The machine's frames. */
  public MachineFrames machine() {
    return machine;
  }

  /** Where the builder put the domain's frames; a PV guest may since have moved them about. */
  public PhysToMachine p2m() {
    return p2m;
  }

  /** What the domain may reach besides RAM. */
  public IoRights io() {
    return io;
  }

  DomainTlb tlb() {
    return tlb;
  }

  DomainDma dma() {
    return dma;
  }

  /** Changes to single entries and pages. */
  EntryUpdates entries() {
    return entries;
  }

  /** The domain's page-table entries, as grants are mapped and unmapped. */
  public GrantEntries grantEntries() {
    return entries;
  }

  TableTypes types() {
    return types;
  }

  /** Pins and base pointers. */
  public TableRoots roots() {
    return roots;
  }

  boolean isDying() {
    return dying;
  }

  DescriptorTables descriptors(int vcpu) {
    return descriptors[vcpu];
  }

  /** Makes all vCPUs of the domain forget their translations, and returns when they have. */
  public void flushTlb() {
    tlb.flush();
  }

  // ---- frames ----

  /**
   * Sets frames aside for the domain: until it has so many, those that are missing cannot be
   * allocated to anybody else (as Xen's XENMEM_claim_pages).
   *
   * @param total the pages that the domain is to have, those it has included; 0 gives up what is
   *     still set aside
   * @return 0, −EINVAL if there is a claim already, or the number is above the domain's limit or
   *     not above what it has, −ENOMEM if there is not that much
   */
  public int claim(long total) {
    lock.lock();
    try {
      if (total == 0) {
        dropClaim();
        return 0;
      }
      if (dying || claim.isPresent() || total <= pages.get() || total > maxPages) {
        return -EINVAL;
      }
      claim = machine.allocator().claim(total - pages.get());
      return claim.isPresent() ? 0 : -ENOMEM;
    } finally {
      lock.unlock();
    }
  }

  private void dropClaim() {
    claim.ifPresent(FrameClaim::close);
    claim = Optional.empty();
  }

  /**
   * Gives the domain zeroed frames for a range of its guest frame numbers, and enters them in P2M
   * and M2P.
   *
   * @return 0, −EINVAL if a number is out of range or taken, −ENOMEM if there is not that much
   */
  public int populate(long firstPfn, long count) {
    if (firstPfn < 0 || count < 0 || firstPfn > p2m.limit() - count) {
      return -EINVAL;
    }
    for (long pfn = firstPfn; pfn < firstPfn + count; pfn++) {
      if (p2m.mfn(pfn) != PhysToMachine.NONE) {
        return -EINVAL;
      }
    }
    for (long pfn = firstPfn; pfn < firstPfn + count; pfn++) {
      long mfn = allocate(0);
      if (mfn == MachineFrames.NONE) {
        while (--pfn >= firstPfn) {
          giveBack(p2m.mfn(pfn));
        }
        return -ENOMEM;
      }
      setPfn(mfn, pfn);
    }
    return 0;
  }

  /**
   * Allocates zeroed frames to the domain, within its limit, which are no guest frames yet.
   *
   * @return the first of 2<sup>order</sup> frames, or {@link MachineFrames#NONE}
   */
  public long allocate(int order) {
    long count = 1L << order;
    lock.lock(); // a frame that came while the domain is taken apart would be missed
    try {
      if (!reserve(count)) {
        return MachineFrames.NONE;
      }
      long mfn =
          claim.isPresent()
              ? machine.allocate(this, order, claim.get())
              : machine.allocate(this, order);
      if (mfn == MachineFrames.NONE) {
        pages.addAndGet(-count);
        owned.addAndGet(-count);
      } else if (claim.isPresent() && claim.get().remaining() == 0) {
        claim = Optional.empty();
      }
      return mfn;
    } finally {
      lock.unlock();
    }
  }

  /** Counts frames in that are about to come, if the domain may have them; under the MMU lock. */
  boolean reserve(long count) {
    if (dying || pages.get() + count > maxPages) {
      return false;
    }
    pages.addAndGet(count);
    owned.addAndGet(count);
    return true;
  }

  /** Counts frames that are still the domain's into its limit, or out of it. */
  void countPages(long count) {
    pages.addAndGet(count);
  }

  /** Makes one of the domain's frames known as a guest frame. */
  public void setPfn(long mfn, long pfn) {
    machine.m2p().set(mfn, pfn);
    p2m.set(pfn, mfn); // beyond its limit a guest's own numbering is the guest's business
  }

  /**
   * Gives a frame up: it is freed when nothing refers to it any more.
   *
   * @return whether it was the domain's and not given up before
   */
  public boolean giveBack(long mfn) {
    if (!frames.get(mfn, domid)) {
      return false;
    }
    boolean dropped = !frames.isSpecial(mfn) && frames.dropAllocation(mfn);
    if (dropped) {
      forgetPfn(mfn);
      machine.put(mfn);
    }
    machine.put(mfn);
    return dropped;
  }

  /**
   * Gives a frame up as a guest's balloon does: one that anything still refers to is refused
   * (xen-pv-abi.md, 13).
   *
   * @return whether it was the domain's, allocated and unused
   */
  public boolean giveBackUnused(long mfn) {
    return frames.exists(mfn)
        && frames.references(mfn) == 1
        && frames.typeCount(mfn) == 0
        && giveBack(mfn);
  }

  /**
   * Exchanges frames of the domain's that nothing refers to for as many fresh, zeroed ones, all or
   * none (xen-pv-abi.md, 13, exchange).
   *
   * @param old the frames to give up; any numbers
   * @param order order of the blocks that the fresh frames come in
   * @param fresh receives the first frame of each block
   * @return 0, −EINVAL if a frame is not the domain's or in use, −ENOMEM
   */
  public int exchange(long[] old, int order, long[] fresh) {
    lock.lock();
    try {
      for (int i = 0; i < old.length; i++) {
        if (dying || !machine.steal(this, old[i])) {
          unsteal(old, i);
          return -EINVAL;
        }
      }
      pages.addAndGet(old.length);
      owned.addAndGet(old.length);
      for (int i = 0; i < fresh.length; i++) {
        fresh[i] = machine.allocate(this, order);
        if (fresh[i] == MachineFrames.NONE) {
          freeBlocks(fresh, i, order);
          int missing = fresh.length - i << order;
          pages.addAndGet(-missing);
          owned.addAndGet(-missing);
          unsteal(old, old.length);
          return -ENOMEM;
        }
      }
      for (long mfn : old) {
        forgetPfn(mfn);
        machine.freeStolen(this, mfn);
      }
      pages.addAndGet(-old.length);
      owned.addAndGet(-old.length);
      return 0;
    } finally {
      lock.unlock();
    }
  }

  private void unsteal(long[] stolen, int count) {
    for (int i = 0; i < count; i++) {
      machine.unsteal(this, stolen[i]);
    }
  }

  private void freeBlocks(long[] blocks, int count, int order) {
    for (int i = 0; i < count; i++) {
      for (long mfn = blocks[i]; mfn < blocks[i] + (1L << order); mfn++) {
        giveBack(mfn);
      }
    }
  }

  /** A frame that was given up is no guest frame, even while somebody still has it mapped. */
  void forgetPfn(long mfn) {
    long pfn = machine.m2p().pfn(mfn);
    machine.m2p().clear(mfn);
    if (p2m.mfn(pfn) == mfn) {
      p2m.clear(pfn);
    }
  }

  /**
   * Makes a frame for the domain to share with the hypervisor: shared info, grant table, grant
   * status. It is the domain's, writable for good, and does not count against its memory.
   *
   * @return the frame, zeroed, or {@link MachineFrames#NONE}
   */
  public long allocateSpecial() {
    lock.lock();
    try {
      if (dying) {
        return MachineFrames.NONE;
      }
      long mfn = machine.allocateSpecial(this);
      if (mfn != MachineFrames.NONE) {
        owned.incrementAndGet();
      }
      return mfn;
    } finally {
      lock.unlock();
    }
  }

  /** Says whether anybody but the hypervisor refers to a special frame at this moment. */
  public boolean isSpecialMapped(long mfn) {
    return frames.references(mfn) > 1;
  }

  /**
   * Gives the hypervisor's share of a special frame up, once. The frame goes when the guest no
   * longer maps it. Frames that nobody gives up go with their domain.
   */
  public void freeSpecial(long mfn) {
    if (frames.dropAllocation(mfn)) {
      machine.putWritable(mfn);
    }
  }

  /** Called when the last reference on one of the domain's frames is gone. */
  void frameFreed(boolean special) {
    if (!special) {
      pages.decrementAndGet();
    }
    if (owned.decrementAndGet() == 0 && dying) {
      machine.unregister(this);
    }
  }

  // ---- devices ----

  /**
   * From now on devices reach what the domain may write: see {@link DomainDma}. Takes time in
   * proportion to the machine's memory, and the lock for a piece at a time.
   *
   * @param reach reaches nothing yet
   * @return 0; −ENOMEM if there is no memory for the tables, −EINVAL if the domain is going; then
   *     {@link #stopDevices} is owed all the same
   */
  public int startDevices(DeviceReach reach) {
    int result = 0;
    for (long first = 0; first < frames.frames() && result == 0; first += FRAMES_BETWEEN_LOOKS) {
      lock.lock();
      try {
        if (dying) {
          result = -EINVAL;
        } else {
          if (first == 0) {
            dma.start(reach);
            result = dma.showGranted() ? 0 : -ENOMEM;
          }
          long end = Math.min(first + FRAMES_BETWEEN_LOOKS, frames.frames());
          for (long mfn = first; mfn < end && result == 0; mfn++) {
            result = dma.show(mfn, machine) ? 0 : -ENOMEM;
          }
        }
      } finally {
        lock.unlock();
      }
    }
    return result;
  }

  /** The domain has no device any more. */
  public void stopDevices() {
    lock.lock();
    try {
      dma.stop();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Devices reach a frame that was granted to the domain.
   *
   * @return false, and nothing changed, if there is no memory for the tables
   */
  public boolean openGranted(long mfn, boolean writable) {
    return dma.openGranted(mfn, writable);
  }

  /** Takes {@link #openGranted} back; when it returns no access to the frame is under way. */
  public void withdrawGranted(long mfn, boolean writable) {
    dma.withdrawGranted(mfn, writable);
  }

  // ---- descriptor tables ----

  /**
   * The descriptor that a selector names in a vCPU's GDT or LDT, or 0; see {@link
   * DescriptorTables#descriptor}. Takes no lock: engines call it.
   */
  public long descriptor(AddressSpaces v, int selector) {
    return descriptors[v.id()].descriptor(selector);
  }

  /**
   * After a fault on an LDT selector: attaches the page of the LDT that holds its descriptor, if
   * that is why it faulted.
   *
   * @return whether the instruction is worth another try
   */
  public boolean attachLdt(AddressSpaces v, int selector) {
    lock.lock();
    try {
      return descriptors[v.id()].attach(selector, v.kernelTable());
    } finally {
      lock.unlock();
    }
  }

  /** Writes a vCPU's descriptor tables into a vcpu_guest_context; the vCPU does not run. */
  public void storeDescriptorTables(AddressSpaces v, MemorySegment context) {
    lock.lock();
    try {
      descriptors[v.id()].store(context);
    } finally {
      lock.unlock();
    }
  }

  int setGdt(AddressSpaces v, long[] mfns, int entries) {
    lock.lock();
    try {
      return descriptors[v.id()].setGdt(mfns, entries);
    } finally {
      lock.unlock();
    }
  }

  int setLdt(AddressSpaces v, long base, int entries) {
    lock.lock();
    try {
      descriptors[v.id()].setLdt(base, entries);
      return 0;
    } finally {
      lock.unlock();
    }
  }

  // ---- the end ----

  /**
   * Drops every reference that the domain's vCPUs and pins hold and gives all its frames back. Its
   * vCPUs do not run any more. Frames that others have mapped follow when these let go; {@link
   * MachineFrames#isOwner} says until when.
   *
   * <p>Takes time in proportion to the domain's memory, in steps of a table each: the lock is
   * dropped for whoever waits for it, and no lock of anybody else's is held.
   */
  public void relinquish(AddressSpaces[] vcpus) {
    relinquish(vcpus, () -> false);
  }

  /**
   * The same in portions: returns early if it is asked to, and goes on where it was when it is
   * called again. One caller at a time.
   *
   * @param mustStop asked now and then whether to return
   * @return whether everything has been given back
   */
  public boolean relinquish(AddressSpaces[] vcpus, BooleanSupplier mustStop) {
    lock.lock();
    try {
      if (!dying) {
        dying = true; // from now on nobody begins anything
        dropClaim();
        owned.incrementAndGet(); // keeps the owner known while the last frames go
        for (AddressSpaces v : vcpus) {
          descriptors[v.id()].drop();
        }
      }
    } finally {
      lock.unlock();
    }
    TableWork work = new TableWork(mustStop);
    if (!roots.dropAll(vcpus, work)) {
      return false;
    }
    for (; unpinned < frames.frames(); unpinned++) {
      long mfn = unpinned;
      if (isLook(mfn) && mustStop.getAsBoolean()) {
        return false;
      }
      if (frames.owner(mfn) == domid && !roots.release(mfn, work)) {
        return false;
      }
    }
    types.close();
    for (; givenUp < frames.frames(); givenUp++) {
      long mfn = givenUp;
      if (isLook(mfn) && mustStop.getAsBoolean()) {
        return false;
      }
      if (frames.owner(mfn) == domid && frames.isAllocated(mfn)) {
        giveUpAtEnd(mfn);
      }
    }
    if (owned.decrementAndGet() == 0) {
      machine.unregister(this);
    }
    return true;
  }

  private static boolean isLook(long mfn) {
    return (mfn & FRAMES_BETWEEN_LOOKS - 1) == FRAMES_BETWEEN_LOOKS - 1;
  }

  private void giveUpAtEnd(long mfn) {
    if (frames.isSpecial(mfn)) {
      freeSpecial(mfn);
    } else if (frames.dropAllocation(mfn)) {
      machine.m2p().clear(mfn);
      machine.put(mfn);
    }
  }

  // ---- for the package ----

  /** Takes the MMU lock; the methods above take it again. */
  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  boolean goesOn(int result, TableWork work) {
    return work.goesOn(result, lock);
  }
}

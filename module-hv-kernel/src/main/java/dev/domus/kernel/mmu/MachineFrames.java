package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.HypercallPage;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameClaim;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineToPhys;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * All frames of the machine, as domains use them: references, allocation to an owner, and the way
 * back.
 *
 * <p><b>The way back.</b> A frame leaves its owner when its last reference is put, by whatever
 * thread that is: often the owner's own, but a backend's when it held the last grant mapping of a
 * domain long dead. In this order: the owner's TLBs are flushed if one of them could still
 * translate to the frame, and its devices reach it no more; the M2P entry is cleared; the frame
 * belongs to nobody; the allocator may hand it out, and zeroes it when it does. No lock is taken
 * but the allocator's.
 *
 * <p>Thread-safe; nothing here allocates after a domain has been made.
 */
public final class MachineFrames implements FrameReferences {
  /** Result of allocations: out of memory, or the domain's limit is reached. */
  public static final long NONE = -1;

  private final MemorySegment memory;
  private final FrameTable frames;
  private final FrameAllocator allocator;
  private final MachineToPhys m2p;
  private final CodeFrames codeFrames;
  private final M2pMap m2pMap;
  private final AtomicReferenceArray<Mmu> owners = new AtomicReferenceArray<>(Domid.FIRST_RESERVED);

  /**
   * Puts the parts of the machine's memory together.
   *
   * @param memory the machine's memory
   * @param frames its frame table
   * @param m2p its M2P
   * @param allocator what hands out all other frames
   * @param codeFrames told about every change of a frame's contents
   */
  public MachineFrames(
      MachineMemory memory,
      FrameTable frames,
      MachineToPhys m2p,
      FrameAllocator allocator,
      CodeFrames codeFrames) {
    this.memory = memory.segment();
    this.frames = frames;
    this.allocator = allocator;
    this.m2p = m2p;
    this.codeFrames = codeFrames;
    m2pMap = new M2pMap(this.memory, frames, allocator, m2p);
  }

  /** All machine memory. */
  public MemorySegment memory() {
    return memory;
  }

  /** The frame table. */
  public FrameTable table() {
    return frames;
  }

  /** The machine-to-physical table. */
  public MachineToPhys m2p() {
    return m2p;
  }

  /** The allocator. */
  public FrameAllocator allocator() {
    return allocator;
  }

  CodeFrames codeFrames() {
    return codeFrames;
  }

  M2pMap m2pMap() {
    return m2pMap;
  }

  // ---- owners ----

  void register(Mmu mmu) {
    if (!owners.compareAndSet(mmu.domid(), null, mmu)) {
      throw new IllegalStateException("domain id in use: domid=" + mmu.domid());
    }
  }

  void unregister(Mmu mmu) {
    owners.compareAndSet(mmu.domid(), mmu, null);
  }

  /**
   * Says whether a domain id is still on frames: of a living domain, or of a dead one whose frames
   * others have mapped. Such an id must not be given to a new domain.
   */
  public boolean isOwner(int domid) {
    return domid >= 0 && domid < Domid.FIRST_RESERVED && owners.get(domid) != null;
  }

  /** Says whether a frame holds a part of the M2P. */
  boolean holdsM2p(long mfn) {
    return mfn >= m2p.firstFrame() && mfn < m2p.endFrame();
  }

  /** Says whether a domain, if it is there, may map an I/O frame. */
  boolean permitsIoMemory(int domid, long mfn) {
    Mmu mmu = domid < Domid.FIRST_RESERVED ? owners.get(domid) : null;
    return mmu != null && mmu.io().permitsMemory(mfn, 1);
  }

  // ---- references ----

  @Override
  public boolean get(int domid, long mfn) {
    return frames.get(mfn, domid);
  }

  @Override
  public void put(long mfn) {
    if (frames.put(mfn)) {
      free(mfn);
    }
  }

  @Override
  public boolean getWritable(int domid, long mfn) {
    if (!frames.get(mfn, domid)) {
      return false;
    }
    if (frames.takeType(mfn, FrameTable.WRITABLE) != FrameTable.TAKEN) {
      put(mfn);
      return false;
    }
    return true;
  }

  /**
   * Writes the stubs by which a guest makes hypercalls into one of its frames.
   *
   * @return false, and nothing has changed, if the frame is not the domain's or is a table
   */
  public boolean writeHypercallPage(int domid, long mfn) {
    if (!getWritable(domid, mfn)) {
      return false;
    }
    try {
      MemorySegment page = MemorySegment.ofArray(HypercallPage.contents());
      MemorySegment.copy(page, 0, memory, mfn << MachineMemory.FRAME_SHIFT, page.byteSize());
      codeFrames.written(mfn);
    } finally {
      putWritable(mfn);
    }
    return true;
  }

  @Override
  public void putWritable(long mfn) {
    frames.putType(mfn);
    put(mfn);
  }

  // ---- allocation ----

  /**
   * Allocates zeroed frames to a domain, outside any limit; its {@link Mmu} keeps that.
   *
   * @return the first frame, or {@link #NONE}
   */
  long allocate(Mmu owner, int order) {
    return give(allocator.allocate(order), owner, order);
  }

  /** As {@link #allocate(Mmu, int)}, out of a claim as far as it reaches. */
  long allocate(Mmu owner, int order, FrameClaim claim) {
    return give(claim.allocate(order), owner, order);
  }

  private long give(long mfn, Mmu owner, int order) {
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      return NONE;
    }
    long end = mfn + (1L << order);
    if (owner.dma().isOn() && !openAll(owner, mfn, end)) {
      giveNobody(mfn, order);
      return NONE;
    }
    for (long each = mfn; each < end; each++) {
      codeFrames.written(each);
      frames.setTlbStamp(each, owner.tlb().clean());
      frames.assign(each, owner.domid());
    }
    return mfn;
  }

  /** Takes back what was to be given; a device may have written to it by now. */
  private void giveNobody(long mfn, int order) {
    for (long each = mfn; each < mfn + (1L << order); each++) {
      frames.assign(each, FrameTable.HYPERVISOR);
      frames.dropAllocation(each);
      frames.put(each);
      frames.release(each);
    }
    allocator.free(mfn, order);
  }

  /** Devices reach frames before these are the owner's, since he might give them up at once. */
  private static boolean openAll(Mmu owner, long first, long end) {
    for (long each = first; each < end; each++) {
      if (!owner.dma().open(each)) {
        while (--each >= first) {
          owner.dma().withdraw(each);
        }
        return false;
      }
    }
    return true;
  }

  /** As {@link #allocate}, for one frame that the hypervisor makes and keeps writable. */
  long allocateSpecial(Mmu owner) {
    long mfn = allocator.allocate(0);
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      return NONE;
    }
    codeFrames.written(mfn);
    frames.setTlbStamp(mfn, owner.tlb().clean());
    frames.assignSpecial(mfn, owner.domid());
    frames.takeType(mfn, FrameTable.WRITABLE);
    return mfn;
  }

  /**
   * Allocates a frame that is the hypervisor's own, so that no guest can refer to it.
   *
   * @return the frame, or {@link #NONE}
   */
  long allocatePrivate() {
    long mfn = allocator.allocate(0);
    if (mfn == FrameAllocator.OUT_OF_MEMORY) {
      return NONE;
    }
    codeFrames.written(mfn);
    frames.assign(mfn, FrameTable.HYPERVISOR);
    return mfn;
  }

  /** Frees a frame of {@link #allocatePrivate}; no engine has a translation to it. */
  void freePrivate(long mfn) {
    frames.dropAllocation(mfn);
    frames.put(mfn);
    forget(mfn);
  }

  // ---- exchange ----

  /**
   * Takes a frame that nothing refers to out of its owner's hands; false if it is not like that.
   */
  boolean steal(Mmu owner, long mfn) {
    if (!frames.exists(mfn) || !frames.changeOwner(mfn, owner.domid(), FrameTable.HYPERVISOR)) {
      return false;
    }
    owner.dma().withdraw(mfn);
    return true;
  }

  /** Gives a stolen frame back. */
  void unsteal(Mmu owner, long mfn) {
    if (owner.dma().isOn()) {
      frames.forgetType(mfn); // what devices may write has to be validated again
      owner.dma().open(mfn);
    }
    frames.changeOwner(mfn, FrameTable.HYPERVISOR, owner.domid());
  }

  /** Frees a stolen frame. */
  void freeStolen(Mmu owner, long mfn) {
    flushUnlessDone(owner, mfn);
    frames.dropAllocation(mfn);
    frames.put(mfn);
    forget(mfn);
  }

  private void free(long mfn) {
    Mmu owner = owners.get(frames.owner(mfn));
    boolean special = frames.isSpecial(mfn);
    flushUnlessDone(owner, mfn);
    owner.dma().withdraw(mfn);
    forget(mfn);
    owner.frameFreed(special);
  }

  /** Flushes the owner's TLBs if one of them could still translate to a frame. */
  void flushUnlessDone(Mmu owner, long mfn) {
    if (!owner.tlb().flushedSince(frames.tlbStamp(mfn))) {
      owner.tlb().flush();
    }
  }

  private void forget(long mfn) {
    m2p.clear(mfn);
    frames.release(mfn);
    allocator.free(mfn, 0);
  }
}

package dev.domus.kernel.mmu;

import dev.domus.memory.FrameTable;
import java.util.Optional;

/** The transfers of frames into and out of one domain. Thread-safe. */
public final class FrameTransfers implements TransferableFrames {
  private final Mmu mmu;
  private final MachineFrames machine;
  private final Optional<Physmap> physmap;

  /**
   * Makes them for the domain whose memory this is.
   *
   * @param physmap of a translated domain
   */
  public FrameTransfers(Mmu mmu, Optional<Physmap> physmap) {
    this.mmu = mmu;
    this.physmap = physmap;
    machine = mmu.machine();
  }

  @Override
  public long detach(long number) {
    long mfn = physmap.isPresent() ? physmap.get().detach(number) : number;
    if (mfn < 0 || !machine.steal(mmu, mfn)) {
      physmap.filter(map -> mfn >= 0).ifPresent(map -> restore(map, mfn, number));
      return Physmap.NONE;
    }
    machine.flushUnlessDone(mmu, mfn);
    forgetUse(mfn);
    mmu.countPages(-1);
    return mfn;
  }

  private void restore(Physmap map, long mfn, long gfn) {
    mmu.lock();
    try {
      if (map.attach(gfn, mfn)) { // else another vCPU has put something there meanwhile
        map.arrived(gfn, mfn);
      }
    } finally {
      mmu.unlock();
    }
  }

  /** What a frame was good for with one domain it has to be checked for with another (XSA-214). */
  private void forgetUse(long mfn) {
    machine.table().takeType(mfn, FrameTable.WRITABLE);
    machine.table().putType(mfn);
  }

  @Override
  public void reattach(long mfn, long number) {
    mmu.countPages(1);
    machine.unsteal(mmu, mfn);
    physmap.ifPresent(map -> restore(map, mfn, number));
  }

  @Override
  public void departed(long mfn) {
    mmu.forgetPfn(mfn);
    mmu.frameFreed(true); // the page itself was counted out when it was detached
  }

  @Override
  public boolean makeRoom() {
    mmu.lock();
    try {
      return mmu.reserve(1);
    } finally {
      mmu.unlock();
    }
  }

  @Override
  public void giveRoomBack() {
    mmu.frameFreed(false);
  }

  @Override
  public boolean attach(long mfn, long number) {
    mmu.lock(); // a frame that came while the domain is taken apart would be missed
    try {
      if (mmu.isDying() || physmap.isPresent() && !physmap.get().attach(number, mfn)) {
        return false;
      }
      machine.table().setTlbStamp(mfn, mmu.tlb().clean());
      machine.unsteal(mmu, mfn);
      return true;
    } finally {
      mmu.unlock();
    }
  }

  @Override
  public void arrived(long mfn, long number) {
    physmap.ifPresent(map -> map.arrived(number, mfn));
  }
}

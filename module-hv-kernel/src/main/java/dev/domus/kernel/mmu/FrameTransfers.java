package dev.domus.kernel.mmu;

import dev.domus.memory.FrameTable;

/** The transfers of frames into and out of one domain. Thread-safe. */
public final class FrameTransfers implements TransferableFrames {
  private final Mmu mmu;
  private final MachineFrames machine;

  /** Makes them for the domain whose memory this is. */
  public FrameTransfers(Mmu mmu) {
    this.mmu = mmu;
    machine = mmu.machine();
  }

  @Override
  public boolean detach(long mfn) {
    if (!machine.steal(mmu, mfn)) {
      return false;
    }
    machine.flushUnlessDone(mmu, mfn);
    forgetUse(mfn);
    mmu.countPages(-1);
    return true;
  }

  /** What a frame was good for with one domain it has to be checked for with another (XSA-214). */
  private void forgetUse(long mfn) {
    machine.table().takeType(mfn, FrameTable.WRITABLE);
    machine.table().putType(mfn);
  }

  @Override
  public void reattach(long mfn) {
    mmu.countPages(1);
    machine.unsteal(mmu, mfn);
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
  public boolean attach(long mfn) {
    mmu.lock(); // a frame that came while the domain is taken apart would be missed
    try {
      if (mmu.isDying()) {
        return false;
      }
      machine.table().setTlbStamp(mfn, mmu.tlb().clean());
      machine.unsteal(mmu, mfn);
      return true;
    } finally {
      mmu.unlock();
    }
  }
}

package dev.domus.kernel.mmu;

import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Frames of a domain's own that somebody has references on, writable ones where they are to be
 * written: for whoever reaches them by other ways than windows, as devices do. The numbers may be
 * taken away meanwhile; the frames are freed when they are released.
 */
public final class HeldFrames {
  private final Physmap physmap;
  private final MachineFrames machine;
  private final Set<HeldFrames> all;
  private final long gfn;
  private final long[] mfns;
  private final boolean writable;
  private final AtomicBoolean released = new AtomicBoolean();

  HeldFrames(
      Physmap physmap,
      MachineFrames machine,
      Set<HeldFrames> all,
      long gfn,
      int pages,
      boolean writable) {
    this.physmap = physmap;
    this.machine = machine;
    this.all = all;
    this.gfn = gfn;
    this.writable = writable;
    mfns = new long[pages];
  }

  /** Takes the references; none, if not all can be had. Under the MMU lock. */
  boolean take(int domid) {
    for (int i = 0; i < mfns.length; i++) {
      long mfn = physmap.frame(gfn + i, writable);
      boolean taken =
          mfn != Physmap.NONE
              && (writable ? machine.getWritable(domid, mfn) : machine.get(domid, mfn));
      if (!taken) {
        put(i);
        return false;
      }
      mfns[i] = mfn;
    }
    all.add(this);
    return true;
  }

  /** The frames, in the order of their numbers; a copy. */
  public long[] mfns() {
    return mfns.clone();
  }

  /** Whether they may be written. */
  public boolean writable() {
    return writable;
  }

  /** Puts the references; nobody reaches the frames by this any more. Once. */
  public void release() {
    if (released.compareAndSet(false, true)) {
      all.remove(this);
      markDirty();
      put(mfns.length);
    }
  }

  /** They may have been written at any time. */
  void markDirty() {
    for (int i = 0; writable && i < mfns.length; i++) {
      physmap.written(gfn + i);
    }
  }

  void forEach(Physmap.HeldFrame taker) {
    for (long mfn : mfns) {
      taker.held(mfn, writable);
    }
  }

  private void put(int count) {
    for (int i = 0; i < count; i++) {
      if (writable) {
        machine.putWritable(mfns[i]);
      } else {
        machine.put(mfns[i]);
      }
    }
  }
}

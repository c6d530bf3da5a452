package dev.domus.kernel.model;

import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;

/**
 * Translations that a vCPU's processor may have kept: all that it has used since the last flush.
 */
final class Translations {
  private static final int MOST = 64;

  private record Translation(long mfn, boolean writable) {}

  private final List<Translation> known = new ArrayList<>();
  private int flushes;

  void add(long mfn, boolean writable, int flushesNow) {
    flushedSince(flushesNow);
    if (known.size() < MOST) {
      known.add(new Translation(mfn, writable));
    }
  }

  /** Forgets all if there was a flush. */
  void flushedSince(int flushesNow) {
    if (flushesNow != flushes) {
      flushes = flushesNow;
      known.clear();
    }
  }

  /**
   * Says whether one of them leads to a frame that the domain neither owns nor maps, or can write a
   * table.
   */
  boolean isBad(FrameModel frames, int domid) {
    for (Translation t : known) {
      ModelFrame f = frames.frames.get(t.mfn);
      boolean theirs = f == null || f.owner != domid;
      if (theirs && !maps(frames, domid, t.mfn)
          || t.writable && f != null && f.typeCount > 0 && f.type != ModelFrame.WRITABLE) {
        return true;
      }
    }
    return false;
  }

  private static boolean maps(FrameModel frames, int domid, long mfn) {
    for (ModelFrame table : frames.frames.values()) {
      for (int i = 0; i < 512 && table.owner == domid && table.isInUseAs(1); i++) {
        if (FrameModel.isPresent(table.words[i]) && Pte.mfn(table.words[i]) == mfn) {
          return true;
        }
      }
    }
    return false;
  }

  @Override
  public String toString() {
    return " still knows " + known;
  }
}

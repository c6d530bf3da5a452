package dev.domus.kernel.model;

import dev.domus.kernel.engine.Invalidation;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;

/**
 * Translations that a vCPU's processor may have kept: all that it has used under whatever base, but
 * what it was told to forget. It is told on its own thread; the test asks on another.
 */
final class Translations {
  private static final int MOST = 64;

  private record Translation(long root, long va, long mfn, boolean writable) {}

  private final List<Translation> known = new ArrayList<>();

  /** What it was told since the operation began. */
  private final List<Long> told = new ArrayList<>();

  synchronized void add(long root, long va, long mfn, boolean writable) {
    if (known.size() < MOST) {
      known.add(new Translation(root, va & -4096, mfn, writable));
    }
  }

  /** An operation begins. */
  synchronized void begin() {
    told.clear();
  }

  /** The engine is told to forget what it has to, and forgets no more than that. */
  synchronized void forget(long invalidation) {
    told.add(invalidation);
    switch (Invalidation.kind(invalidation)) {
      case ALL -> known.clear();
      case PAGES -> known.removeIf(t -> covers(invalidation, t.va));
      case ADDRESS_SPACE -> known.removeIf(t -> t.root == Invalidation.cr3(invalidation) >>> 12);
    }
  }

  private static boolean covers(long invalidation, long va) {
    long offset = va - Invalidation.va(invalidation);
    return offset >= 0 && offset < (long) Invalidation.pages(invalidation) << 12;
  }

  /** Says whether what is owed has been forgotten. */
  synchronized boolean settles(Owed owed, FrameModel frames) {
    if (owed.what() == Owed.What.UNTRUE) {
      return known.stream().allMatch(t -> isTrue(t, frames));
    }
    return told.stream().anyMatch(invalidation -> settles(owed, invalidation));
  }

  private static boolean settles(Owed owed, long invalidation) {
    return switch (Invalidation.kind(invalidation)) {
      case ALL -> true;
      case PAGES -> owed.what() == Owed.What.PAGE && covers(invalidation, owed.of() & -4096);
      case ADDRESS_SPACE ->
          owed.what() == Owed.What.ADDRESS_SPACE
              && Invalidation.cr3(invalidation) >>> 12 == owed.of();
    };
  }

  private static boolean isTrue(Translation t, FrameModel frames) {
    boolean writable = true;
    long mfn = t.root;
    for (int level = 4; level >= 1; level--) {
      ModelFrame table = frames.frames.get(mfn);
      long entry = table == null ? 0 : table.words[Pte.index(t.va, level)];
      if (!FrameModel.isPresent(entry)) {
        return false;
      }
      writable &= FrameModel.isWritable(entry);
      mfn = Pte.mfn(entry);
    }
    return mfn == t.mfn && (writable || !t.writable);
  }

  synchronized boolean isEmpty() {
    return known.isEmpty();
  }

  /**
   * Says whether one of them that the vCPU can use without loading a base leads to a frame that the
   * domain neither owns nor maps, or can write a table.
   */
  synchronized boolean isBad(FrameModel frames, int domid, ModelVcpu v) {
    for (Translation t : known) {
      if (t.root == v.kernelTable || t.root == v.userTable) {
        ModelFrame f = frames.frames.get(t.mfn);
        boolean theirs = f == null || f.owner != domid;
        if (theirs && !maps(frames, domid, t.mfn)
            || t.writable && f != null && f.typeCount > 0 && f.type != ModelFrame.WRITABLE) {
          return true;
        }
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
  public synchronized String toString() {
    return " still knows "
        + known
        + ", was told "
        + told.stream().map(Invalidation::describe).toList();
  }
}

package dev.domus.memory;

/**
 * Hands out machine frames in blocks of 2<sup>order</sup>, aligned to their size: the buddy system
 * (Knuth, TAOCP 1, 2.5).
 *
 * <p>A free block is known by its first frame, whose frame-table entry holds the order and the
 * links of the list of that order. Freeing looks at the buddy, the other half of the block twice as
 * large: if it is free as a whole the two become one, and so on upwards. Allocation takes the
 * smallest block that is large enough and halves it. Lists are last in, first out: what was just
 * freed is warm in the cache, and runs with the same inputs allocate the same frames.
 *
 * <p><b>Scrubbing.</b> A frame never reaches a new owner with old contents. Frames carry a dirty
 * bit, set when they are freed; allocation zeroes the dirty ones, after the lock is dropped. So
 * frames that were never used, and frames given back to the host by {@link #releaseToHost}, are not
 * zeroed a second time (the host did it), and freeing stays cheap. The price is paid by whoever
 * allocates; scrubbing in idle time can be added behind this interface.
 *
 * <p><b>Out of memory</b> is the result {@link #OUT_OF_MEMORY}, never an exception: a guest can
 * provoke it at will.
 *
 * <p><b>Threads.</b> One lock guards lists and free fields; it is held for at most {@link
 * #MAX_ORDER} steps and never while memory is zeroed. It is a leaf of the lock order. No method
 * allocates on the Java heap.
 */
public final class FrameAllocator {
  /** Largest order: 4 MiB blocks. */
  public static final int MAX_ORDER = 10;

  /** Result of {@link #allocate}: there is no block of that size. */
  public static final long OUT_OF_MEMORY = -1;

  private static final long NO_FRAME = 0; // frame 0 is never free, so it can end the lists

  private final MachineMemory memory;
  private final FrameTable frames;
  private final FreeFields fields;
  private final long first;
  private final Object lock = new Object();
  private final long[] heads = new long[MAX_ORDER + 1];
  private long free;

  /**
   * Makes an allocator with all frames from the given one on free. Frame 0 is never handed out.
   *
   * @param memory the machine's memory
   * @param frames its frame table
   * @param first the first frame that may be handed out, at least 1
   */
  public FrameAllocator(MachineMemory memory, FrameTable frames, long first) {
    if (first < 1 || first > frames.frames()) {
      throw new IllegalArgumentException("first frame out of range: first=" + first);
    }
    this.memory = memory;
    this.frames = frames;
    fields = new FreeFields(frames);
    this.first = first;
    long end = frames.frames();
    long mfn = end;
    while (mfn > first) { // from the top, so that the lists begin with low frames
      int order = MAX_ORDER;
      while ((mfn & (1L << order) - 1) != 0 || mfn - (1L << order) < first) {
        order--;
      }
      mfn -= 1L << order;
      push(mfn, order);
    }
    free = end - first;
  }

  /** Number of free frames. */
  public long freeFrames() {
    synchronized (lock) {
      return free;
    }
  }

  /** Number of frames that were there to hand out at first. */
  public long managedFrames() {
    return frames.frames() - first;
  }

  /**
   * Allocates a block of zeroed frames that nobody owns yet; the caller gives each to an owner with
   * {@link FrameTable#assign}.
   *
   * @param order binary logarithm of the number of frames, 0 to {@link #MAX_ORDER}
   * @return the first frame, or {@link #OUT_OF_MEMORY}
   */
  public long allocate(int order) {
    if (order < 0 || order > MAX_ORDER) {
      throw new IllegalArgumentException("order out of range: order=" + order);
    }
    long mfn;
    long end;
    synchronized (lock) {
      int found = order;
      while (found <= MAX_ORDER && heads[found] == NO_FRAME) {
        found++;
      }
      if (found > MAX_ORDER) {
        return OUT_OF_MEMORY;
      }
      mfn = heads[found];
      unlink(mfn, found);
      while (found > order) {
        found--;
        push(mfn + (1L << found), found);
      }
      end = mfn + (1L << order);
      for (long each = mfn; each < end; each++) {
        fields.setHandedOut(each);
      }
      free -= 1L << order;
    }
    for (long each = mfn; each < end; each++) {
      if (fields.isDirty(each)) {
        memory.scrub(each);
        fields.setDirty(each, false);
      }
    }
    return mfn;
  }

  /**
   * Frees a block that {@link #allocate} gave, or an aligned part of one. Its frames belong to
   * nobody (any more).
   *
   * @throws IllegalStateException if a frame is free already, or somebody's: freeing it would hand
   *     it out twice
   */
  public void free(long mfn, int order) {
    long count = 1L << order;
    if (mfn < first || order < 0 || order > MAX_ORDER || mfn > frames.frames() - count) {
      throw new IllegalArgumentException("no such block: mfn=%d order=%d".formatted(mfn, order));
    }
    synchronized (lock) {
      for (long each = mfn; each < mfn + count; each++) {
        if (!fields.isHandedOut(each) || !fields.isUnowned(each)) {
          throw new IllegalStateException("freed, but not free to go: " + frames.describe(each));
        }
      }
      for (long each = mfn; each < mfn + count; each++) {
        fields.setFreeInside(each);
        fields.setDirty(each, true);
      }
      free += count;
      merge(mfn, order);
    }
  }

  /**
   * Gives the memory behind free blocks back to the host.
   *
   * @param smallestOrder blocks below this order are left alone
   * @return number of frames in the blocks given back
   */
  public long releaseToHost(int smallestOrder) {
    long given = 0;
    for (int order = Math.max(0, smallestOrder); order <= MAX_ORDER; order++) {
      synchronized (
          lock) { // a whole order under the lock: rare, and each call gives back up to 4 MiB
        for (long mfn = heads[order]; mfn != NO_FRAME; mfn = fields.next(mfn)) {
          if (clean(mfn, order)) {
            given += 1L << order;
          }
        }
      }
    }
    return given;
  }

  private boolean clean(long mfn, int order) {
    boolean dirty = false;
    for (long each = mfn; each < mfn + (1L << order); each++) {
      dirty |= fields.isDirty(each);
    }
    if (dirty) {
      memory.decommit(mfn, 1L << order);
      for (long each = mfn; each < mfn + (1L << order); each++) {
        fields.setDirty(each, false);
      }
    }
    return dirty;
  }

  private void merge(long mfn, int order) {
    long block = mfn;
    int level = order;
    while (level < MAX_ORDER) {
      long buddy = block ^ 1L << level;
      if (buddy < first || !frames.exists(buddy) || fields.freeOrder(buddy) != level) {
        break;
      }
      unlink(buddy, level);
      block &= ~(1L << level);
      level++;
    }
    push(block, level);
  }

  private void push(long mfn, int order) {
    fields.setFreeHead(mfn, order);
    fields.link(mfn, heads[order]);
    fields.link(NO_FRAME, mfn);
    heads[order] = mfn;
  }

  private void unlink(long mfn, int order) {
    long next = fields.next(mfn);
    if (heads[order] == mfn) {
      heads[order] = next;
      fields.link(NO_FRAME, next);
    } else {
      fields.link(fields.previous(mfn), next);
    }
    fields.setFreeInside(mfn);
  }
}

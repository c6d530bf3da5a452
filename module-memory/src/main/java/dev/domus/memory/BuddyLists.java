package dev.domus.memory;

/**
 * Free blocks of 2<sup>order</sup> frames, aligned to their size: the buddy system (Knuth, TAOCP 1,
 * 2.5), with one set of lists a zone.
 *
 * <p>A free block is known by its first frame, whose frame-table entry holds the order and the
 * links of its list. Putting a block looks at the buddy, the other half of the block twice as
 * large: if it is free as a whole the two become one, and so on upwards. Taking halves a larger
 * block if there is none of the size. Lists are last in, first out: what was just put is warm in
 * the cache, and the same calls in the same order give the same frames.
 *
 * <p><b>Zones</b> make "below this address" cheap. Zone <i>z</i> holds the frames from
 * 2<sup>z-1</sup> to 2<sup>z</sup> - 1, as in Xen. A block aligned to its size never straddles a
 * power of two unless it begins at 0, and frame 0 is never free, so each block lies in one zone and
 * so does its buddy. Zones are searched from the highest allowed one down: low frames are left for
 * those that can use no others. A limit that is a power of two costs nothing; another one may cost
 * a walk over the lists of the one zone that it cuts.
 *
 * <p>Used under the allocator's lock. A taken frame is marked as handed out.
 */
final class BuddyLists {
  static final long NONE = -1;

  private static final long NO_FRAME = 0;
  private static final int MAX_ORDER = FrameAllocator.MAX_ORDER;
  private static final int ORDERS = MAX_ORDER + 1;

  private final FrameTable frames;
  private final FreeFields fields;
  private final long first;
  private final long[] heads;
  private final int[] orders; // by zone: which of its lists are not empty, a bit an order
  private final int[] committed; // by region of the largest block's size: free frames of that kind
  private final int[] dirtyIn;
  private long free;
  private long dirty;

  BuddyLists(FrameTable frames, FreeFields fields, long first) {
    this.frames = frames;
    this.fields = fields;
    this.first = first;
    long mfn = frames.frames();
    int zones = zone(mfn - 1) + 1;
    heads = new long[zones * ORDERS];
    orders = new int[zones];
    committed = new int[region(mfn - 1) + 1];
    dirtyIn = new int[committed.length];
    while (mfn > first) { // from the top, so that the lists begin with low frames
      int order = MAX_ORDER;
      while ((mfn & (1L << order) - 1) != 0 || mfn - (1L << order) < first) {
        order--;
      }
      mfn -= 1L << order;
      push(mfn, order);
    }
    free = frames.frames() - first;
  }

  /** Number of frames in all blocks. */
  long free() {
    return free;
  }

  /** Number of those that are dirty. */
  long dirty() {
    return dirty;
  }

  /**
   * Takes a block whose last frame is not above a limit.
   *
   * @return its first frame, or {@link #NONE}
   */
  long take(int order, long maxMfn) {
    long last = Math.min(maxMfn, frames.frames() - 1);
    int size = 1 << order;
    if (last < first + size - 1) {
      return NONE;
    }
    int zone = zone(last);
    if (last != frames.frames() - 1 && (last & last + 1) != 0) { // the limit cuts this zone
      long block = takeFromCutZone(zone, order, last);
      if (block != NONE) {
        return block;
      }
      zone--;
    }
    for (; zone > 0; zone--) {
      int large = orders[zone] & -size;
      if (large != 0) {
        int found = Integer.numberOfTrailingZeros(large);
        return take(heads[zone * ORDERS + found], found, order);
      }
    }
    return NONE;
  }

  private long takeFromCutZone(int zone, int order, long last) {
    for (int found = order; found <= MAX_ORDER; found++) {
      for (long mfn = heads[zone * ORDERS + found]; mfn != NO_FRAME; mfn = fields.next(mfn)) {
        if (mfn + (1L << order) - 1 <= last) {
          return take(mfn, found, order);
        }
      }
    }
    return NONE;
  }

  private long take(long mfn, int found, int order) {
    unlink(mfn, found);
    int half = found;
    while (half > order) {
      half--;
      push(mfn + (1L << half), half);
    }
    long end = mfn + (1L << order);
    for (long each = mfn; each < end; each++) {
      if (fields.isDirty(each)) {
        noLongerDirty(each);
      }
      if (fields.isCommitted(each)) {
        committed[region(each)]--;
      }
      fields.setHandedOut(each);
    }
    free -= 1L << order;
    return mfn;
  }

  /** Puts a block of frames that are in no block and no cache. */
  void put(long mfn, int order) {
    long end = mfn + (1L << order);
    for (long each = mfn; each < end; each++) {
      if (fields.isDirty(each)) {
        dirty++;
        dirtyIn[region(each)]++;
      }
      if (fields.isCommitted(each)) {
        committed[region(each)]++;
      }
      fields.setFreeInside(each);
    }
    free += 1L << order;
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

  /** Says that a dirty frame in a block has become clean. */
  void cleaned(long mfn) {
    fields.setDirty(mfn, false);
    noLongerDirty(mfn);
  }

  /**
   * Finds a dirty frame, without a look at regions that have none.
   *
   * @param from where to begin; goes on at the first frame after the last
   * @param looks how many frames or regions to look at
   * @return the frame, or minus the frame at which to begin the next time
   */
  long findDirty(long from, int looks) {
    long mfn = from;
    for (int looked = 0; looked < looks; looked++) {
      if (dirtyIn[region(mfn)] == 0) {
        mfn = (long) region(mfn) + 1 << MAX_ORDER;
      } else if (fields.isInFreeBlock(mfn) && fields.isDirty(mfn)) {
        return mfn;
      } else {
        mfn++;
      }
      if (mfn >= frames.frames()) {
        mfn = first;
      }
    }
    return -mfn;
  }

  /** Number of regions; each is of the largest block's size and alignment. */
  int regions() {
    return committed.length;
  }

  /** Says whether the host may have memory behind a free frame of a region. */
  boolean hasCommitted(int region) {
    return committed[region] != 0;
  }

  /**
   * Gives the host's memory behind a region's free blocks back, which makes them clean.
   *
   * @param smallestOrder blocks below this order are left alone
   * @return number of frames in the blocks given back
   */
  long decommit(int region, int smallestOrder, MachineMemory memory) {
    long given = 0;
    long mfn = Math.max(first, (long) region << MAX_ORDER);
    long end = Math.min(frames.frames(), (long) region + 1 << MAX_ORDER);
    while (mfn < end) {
      int order = fields.freeOrder(mfn);
      if (order >= smallestOrder && hasCommitted(mfn, order)) {
        memory.decommit(mfn, 1L << order);
        setDecommitted(mfn, order);
        given += 1L << order;
      }
      mfn += order < 0 ? 1 : 1L << order;
    }
    return given;
  }

  private boolean hasCommitted(long mfn, int order) {
    for (long each = mfn; each < mfn + (1L << order); each++) {
      if (fields.isCommitted(each)) {
        return true;
      }
    }
    return false;
  }

  private void setDecommitted(long mfn, int order) {
    for (long each = mfn; each < mfn + (1L << order); each++) {
      if (fields.isDirty(each)) {
        noLongerDirty(each);
      }
      if (fields.isCommitted(each)) {
        committed[region(each)]--;
      }
      fields.setDecommitted(each);
    }
  }

  private void noLongerDirty(long mfn) {
    dirty--;
    dirtyIn[region(mfn)]--;
  }

  private static int region(long mfn) {
    return (int) (mfn >>> MAX_ORDER);
  }

  private static int zone(long mfn) {
    return Long.SIZE - Long.numberOfLeadingZeros(mfn);
  }

  private void push(long mfn, int order) {
    int zone = zone(mfn);
    int list = zone * ORDERS + order;
    fields.setFreeHead(mfn, order);
    fields.link(mfn, heads[list]);
    fields.link(NO_FRAME, mfn);
    heads[list] = mfn;
    orders[zone] |= 1 << order;
  }

  private void unlink(long mfn, int order) {
    int zone = zone(mfn);
    int list = zone * ORDERS + order;
    long next = fields.next(mfn);
    if (heads[list] == mfn) {
      heads[list] = next;
      fields.link(NO_FRAME, next);
      if (next == NO_FRAME) {
        orders[zone] &= ~(1 << order);
      }
    } else {
      fields.link(fields.previous(mfn), next);
    }
    fields.setFreeInside(mfn);
  }
}

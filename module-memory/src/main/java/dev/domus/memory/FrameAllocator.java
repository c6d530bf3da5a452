package dev.domus.memory;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/**
 * Hands out machine frames in blocks of 2<sup>order</sup>, aligned to their size.
 *
 * <h2>Two layers</h2>
 *
 * All free frames are either in {@link BuddyLists}, behind one lock, or singly in one of {@value
 * #CACHES} {@link FrameCache}s, each behind a lock of one word. A thread has its cache for life, so
 * a pCPU that allocates and frees single frames goes to no place that another one goes to:
 *
 * <pre>
 *   allocate(0)             allocate(0) or allocate(n)
 *      |    ^ free(0)          |      ^ free(n)
 *      v    |                  v      |
 *   +-----------+  batches  +-------------+  scrub, releaseToHost
 *   |  cache    |&lt;---------&gt;| buddy lists |&lt;------------------------
 *   +-----------+           +-------------+
 * </pre>
 *
 * <p>A thread's cache is the next in turn when it first comes here, not one chosen by its id: ids
 * also go to the JVM's compiler threads, which come and go as they like, and runs with the same
 * inputs shall allocate the same frames. Caches are not the threads' own, because then nobody else
 * could empty them; a compare-and-set on a line that nobody else uses costs some 6 ns. Their number
 * does not depend on the host for the same reason of repeatability. Threads beyond it share.
 *
 * <h2>Invariants</h2>
 *
 * <ol>
 *   <li>A frame from {@code first} on is in exactly one place: in a block, in a cache, in the hands
 *       of a thread that is inside this class, or handed out; its free field says which ({@link
 *       FreeFields}). The step out of "handed out" is a compare-and-set, so a frame cannot be freed
 *       twice, whatever the orders and however close the two threads.
 *   <li>A free frame without the dirty bit is zero. The bit is set by the step that frees the
 *       frame; it is cleared only after the frame has been zeroed, here or by the host. Allocation
 *       returns frames without the bit and clears no other way. So a frame never reaches a new
 *       owner with old contents.
 *   <li>A cache's clean stack holds clean frames and its dirty stack dirty ones.
 *   <li>{@code claimed} ≤ frames in the lists. Frames in caches are nobody's claim, so taking one
 *       checks nothing.
 * </ol>
 *
 * <h2>Out of memory</h2>
 *
 * is the result {@link #OUT_OF_MEMORY}, never an exception: a guest can provoke it at will. It is
 * given only after all caches have been emptied into the lists, all of them locked at once: there
 * is a moment within the call at which no block of that kind was free. The same goes for blocks
 * (frames in caches keep their buddies from merging), for claims, and for {@link #freeFrames},
 * which is exact.
 *
 * <h2>Scrubbing</h2>
 *
 * Dirty frames are zeroed when they are allocated, after all locks are dropped, unless {@link
 * #scrub} got there first: it is for idle pCPUs, in small pieces. Caches prefer clean frames.
 * Frames never used and frames given back by {@link #releaseToHost} are clean, since the host
 * zeroes them.
 *
 * <h2>Locks</h2>
 *
 * Order: the allocator's lock, then caches in the order of their numbers; a leaf of the kernel's
 * lock order. Hot paths only try a cache's lock. The allocator's lock is held for at most {@link
 * FrameCache#BATCH} moves of {@link #MAX_ORDER} steps, longer only where caches are emptied or
 * memory is given back; memory is zeroed under it one frame at a time and by the scrubber alone.
 *
 * <p><b>NUMA.</b> There is one node. A second would be a first index of the lists' heads beside
 * zone and order, a home node a cache, and a preferred node in {@code allocate}; nothing else here
 * asks where a frame is.
 *
 * <p>Thread-safe. No method allocates on the Java heap, but {@link #claim} and each thread's first
 * call.
 */
public final class FrameAllocator {
  /** Largest order: 4 MiB blocks. */
  public static final int MAX_ORDER = 10;

  /** Result of {@link #allocate}: there is no block of that kind. */
  public static final long OUT_OF_MEMORY = -1;

  /** Result of {@link #releaseToHost(int, int, BooleanSupplier)}: there is no more. */
  public static final int ALL_RELEASED = -1;

  /** More than pCPUs on most hosts; all together hold at most 16 MiB, and are emptied on demand. */
  private static final int CACHES = 32;

  /** No refill from lists with fewer frames than this: they would be emptied again at once. */
  private static final int TOO_FEW_TO_CACHE = 8 * FrameCache.BATCH;

  /** Frame-table entries that the scrubber looks at while it holds the lock: 16 KiB of them. */
  private static final int SCRUB_LOOK = 512;

  private final MachineMemory memory;
  private final FrameTable frames;
  private final FreeFields fields;
  private final long first;
  private final FrameCache[] caches = new FrameCache[CACHES];
  private final AtomicInteger nextCache = new AtomicInteger();
  private final ThreadLocal<FrameCache> own =
      ThreadLocal.withInitial(() -> cache(nextCache.getAndIncrement()));

  private final Object lock = new Object();
  private final BuddyLists lists;
  private final long[] batch = new long[FrameCache.BATCH];
  private long claimed;
  private long scrubCursor;

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
    this.first = first;
    fields = new FreeFields(frames);
    lists = new BuddyLists(frames, fields, first);
    scrubCursor = first;
    for (int i = 0; i < CACHES; i++) {
      caches[i] = new FrameCache();
    }
  }

  private FrameCache cache(int number) {
    return caches[number & CACHES - 1];
  }

  /** Number of free frames, claimed ones included: exact at some moment within the call. */
  public long freeFrames() {
    synchronized (lock) {
      lockCaches();
      long free = lists.free();
      for (FrameCache cache : caches) {
        free += cache.size();
      }
      unlockCaches();
      return free;
    }
  }

  /** Number of free frames that claims cover. */
  public long claimedFrames() {
    synchronized (lock) {
      return claimed;
    }
  }

  /** Number of frames that were there to hand out at first. */
  public long managedFrames() {
    return frames.frames() - first;
  }

  // ---- allocation ----

  /**
   * Allocates a block of zeroed frames that nobody owns yet; the caller gives each to an owner with
   * {@link FrameTable#assign}.
   *
   * @param order binary logarithm of the number of frames, 0 to {@link #MAX_ORDER}
   * @return the first frame, or {@link #OUT_OF_MEMORY}
   */
  public long allocate(int order) {
    if (order == 0) {
      FrameCache cache = own.get();
      if (cache.tryLock()) {
        int mfn = cache.pop();
        cache.unlock();
        if (mfn != FrameCache.NO_FRAME) {
          return cleaned(mfn, 1);
        }
      }
      return allocateAndRefill(cache);
    }
    return allocate(order, Long.MAX_VALUE);
  }

  /**
   * As {@link #allocate(int)}, for a device or a mode that does not reach all addresses. A limit of
   * one less than a power of two is found without a search.
   *
   * @param maxMfn the highest frame that the block may contain
   */
  public long allocate(int order, long maxMfn) {
    if (order < 0 || order > MAX_ORDER) {
      throw new IllegalArgumentException("order out of range: order=" + order);
    }
    long mfn;
    synchronized (lock) {
      mfn = takeUnclaimed(order, maxMfn);
    }
    return cleaned(mfn, 1L << order);
  }

  private long allocateAndRefill(FrameCache cache) {
    long mfn;
    synchronized (lock) {
      mfn = takeUnclaimed(0, Long.MAX_VALUE);
      if (lists.free() - claimed >= TOO_FEW_TO_CACHE && cache.tryLock()) {
        refill(cache);
        cache.unlock();
      }
    }
    return cleaned(mfn, 1);
  }

  /** Last taken, first put: so frames leave the cache in the order of the lists. */
  private void refill(FrameCache cache) {
    for (int i = 0; i < batch.length; i++) {
      batch[i] = lists.take(0, Long.MAX_VALUE);
    }
    for (int i = batch.length - 1; i >= 0; i--) {
      long mfn = batch[i];
      if (cache.push((int) mfn, fields.isDirty(mfn))) {
        fields.setCached(mfn);
      } else { // of two threads that share the cache the other one was first
        lists.put(mfn, 0);
      }
    }
  }

  private long takeUnclaimed(int order, long maxMfn) {
    long mfn = tryTakeUnclaimed(order, maxMfn);
    if (mfn == BuddyLists.NONE && emptyCaches()) {
      mfn = tryTakeUnclaimed(order, maxMfn);
    }
    return mfn;
  }

  private long tryTakeUnclaimed(int order, long maxMfn) {
    return lists.free() - claimed < 1L << order ? BuddyLists.NONE : lists.take(order, maxMfn);
  }

  private long cleaned(long mfn, long count) {
    if (mfn == BuddyLists.NONE) {
      return OUT_OF_MEMORY;
    }
    for (long each = mfn; each < mfn + count; each++) {
      if (fields.isDirty(each)) {
        memory.scrub(each);
      }
      fields.setHandedOutClean(each);
    }
    return mfn;
  }

  // ---- claims ----

  /**
   * Sets frames aside.
   *
   * @param count how many
   * @return the claim, or nothing if there are not so many that are free and unclaimed
   */
  public Optional<FrameClaim> claim(long count) {
    if (count < 0) {
      throw new IllegalArgumentException("claim of a negative number: frames=" + count);
    }
    synchronized (lock) {
      if (lists.free() - claimed < count) {
        emptyCaches();
        if (lists.free() - claimed < count) {
          return Optional.empty();
        }
      }
      claimed += count;
      return Optional.of(new FrameClaim(this, count));
    }
  }

  long allocate(int order, long maxMfn, FrameClaim claim) {
    if (order < 0 || order > MAX_ORDER) {
      throw new IllegalArgumentException("order out of range: order=" + order);
    }
    long mfn;
    synchronized (lock) {
      long covered = Math.min(claim.covered(), 1L << order);
      claimed -= covered; // what is the caller's anyway does not stand in its way
      mfn = takeUnclaimed(order, maxMfn);
      if (mfn == BuddyLists.NONE) {
        claimed += covered;
      } else {
        claim.used(covered);
      }
    }
    return cleaned(mfn, 1L << order);
  }

  long remaining(FrameClaim claim) {
    synchronized (lock) {
      return claim.covered();
    }
  }

  void giveUp(FrameClaim claim) {
    synchronized (lock) {
      claimed -= claim.covered();
      claim.used(claim.covered());
    }
  }

  // ---- the way back ----

  /**
   * Frees a block that {@link #allocate} gave, or an aligned part of one. Its frames belong to
   * nobody (any more).
   *
   * @throws IllegalStateException if a frame is free already, or somebody's: freeing it would hand
   *     it out twice
   */
  public void free(long mfn, int order) {
    if (order < 0
        || order > MAX_ORDER
        || mfn < first
        || mfn > frames.frames() - (1L << order)
        || (mfn & (1L << order) - 1) != 0) {
      throw new IllegalArgumentException("no such block: mfn=%d order=%d".formatted(mfn, order));
    }
    if (order == 0) {
      freeFrame(mfn);
    } else {
      freeBlock(mfn, order);
    }
  }

  private void freeFrame(long mfn) {
    if (!fields.freed(mfn, true)) {
      throw notFreeToGo(mfn);
    }
    FrameCache cache = own.get();
    if (cache.tryLock()) {
      boolean kept = cache.push((int) mfn, true);
      cache.unlock();
      if (kept) {
        return;
      }
    }
    synchronized (lock) {
      lists.put(mfn, 0);
      if (cache.tryLock()) {
        spill(cache);
        cache.unlock();
      }
    }
  }

  private void spill(FrameCache cache) {
    for (int i = 0; i < FrameCache.BATCH; i++) {
      int mfn = cache.removeOldestDirty();
      if (mfn == FrameCache.NO_FRAME) {
        return;
      }
      lists.put(mfn, 0);
    }
  }

  private void freeBlock(long mfn, int order) {
    long end = mfn + (1L << order);
    for (long each = mfn; each < end; each++) { // all or nothing, unless two threads free at once
      if (!fields.mayBeFreed(each)) {
        throw notFreeToGo(each);
      }
    }
    synchronized (lock) {
      for (long each = mfn; each < end; each++) {
        if (!fields.freed(each, false)) {
          throw notFreeToGo(each);
        }
      }
      lists.put(mfn, order);
    }
  }

  private IllegalStateException notFreeToGo(long mfn) {
    return new IllegalStateException("freed, but not free to go: " + frames.describe(mfn));
  }

  // ---- caches as a whole, under the lock ----

  private void lockCaches() {
    for (FrameCache cache : caches) {
      cache.lock();
    }
  }

  private void unlockCaches() {
    for (FrameCache cache : caches) {
      cache.unlock();
    }
  }

  /** Moves the frames of all caches to the lists; says whether there were any. */
  private boolean emptyCaches() {
    boolean moved = false;
    lockCaches();
    for (FrameCache cache : caches) {
      for (int mfn = cache.pop(); mfn != FrameCache.NO_FRAME; mfn = cache.pop()) {
        lists.put(mfn, 0);
        moved = true;
      }
    }
    unlockCaches();
    return moved;
  }

  // ---- in idle time ----

  /**
   * Says whether there are dirty frames to scrub. Takes no lock, so the answer may be a moment old.
   */
  public boolean hasDirty() {
    if (lists.dirty() != 0) {
      return true;
    }
    for (FrameCache cache : caches) {
      if (cache.hasDirty()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Zeroes free frames that are dirty, so that allocation need not. Passes over caches that
   * somebody is in.
   *
   * @param atMost how many frames to zero before returning, some 100 ns each
   * @return how many were zeroed; less than {@code atMost} when there are no more
   */
  public long scrub(long atMost) {
    long done = 0;
    for (FrameCache cache : caches) {
      while (done < atMost && cache.hasDirty() && scrubOne(cache)) {
        done++;
      }
      if (done < atMost && cache.hasDirty()) {
        spillWhatHasNoRoom(cache);
      }
    }
    while (done < atMost) {
      synchronized (lock) {
        if (lists.dirty() == 0) {
          return done;
        }
        done += scrubNextInLists();
      }
    }
    return done;
  }

  /** The frame stays in the cache and counts as free; its lock is held meanwhile. */
  private boolean scrubOne(FrameCache cache) {
    if (!cache.tryLock()) {
      return false;
    }
    try {
      int mfn = cache.hasRoomForClean() ? cache.newestDirty() : FrameCache.NO_FRAME;
      if (mfn == FrameCache.NO_FRAME) {
        return false;
      }
      memory.scrub(mfn);
      fields.setDirty(mfn, false);
      cache.popDirty();
      cache.push(mfn, false);
      return true;
    } finally {
      cache.unlock();
    }
  }

  /** A cache full of clean frames needs no dirty ones; in the lists they are scrubbed in turn. */
  private void spillWhatHasNoRoom(FrameCache cache) {
    synchronized (lock) {
      if (cache.tryLock()) {
        if (!cache.hasRoomForClean()) {
          spill(cache);
          spill(cache); // both halves
        }
        cache.unlock();
      }
    }
  }

  private int scrubNextInLists() {
    long mfn = lists.findDirty(scrubCursor, SCRUB_LOOK);
    scrubCursor = Math.abs(mfn);
    if (mfn < 0) {
      return 0;
    }
    memory.scrub(mfn);
    lists.cleaned(mfn);
    return 1;
  }

  /**
   * Gives the memory behind free blocks back to the host, where it has any. Caches are emptied
   * first. The allocator's lock is held for 4 MiB at a time.
   *
   * @param smallestOrder blocks below this order are left alone
   * @return number of frames in the blocks given back
   */
  public long releaseToHost(int smallestOrder) {
    synchronized (lock) {
      emptyCaches();
    }
    long given = 0;
    for (int region = 0; region < lists.regions(); region++) {
      given += releaseRegion(region, smallestOrder);
    }
    return given;
  }

  /**
   * The same in portions.
   *
   * @param from 0, or where to go on
   * @param mustStop asked after every 4 MiB given back whether to return
   * @return where to go on, or {@link #ALL_RELEASED}
   */
  public int releaseToHost(int smallestOrder, int from, BooleanSupplier mustStop) {
    if (from == 0) {
      synchronized (lock) {
        emptyCaches();
      }
    }
    for (int region = from; region < lists.regions(); region++) {
      if (releaseRegion(region, smallestOrder) != 0 && mustStop.getAsBoolean()) {
        return region + 1;
      }
    }
    return ALL_RELEASED;
  }

  private long releaseRegion(int region, int smallestOrder) {
    synchronized (lock) {
      return lists.hasCommitted(region)
          ? lists.decommit(region, Math.max(0, smallestOrder), memory)
          : 0;
    }
  }
}

package dev.domus.iommu.iova;

import dev.domus.iommu.iova.IovaCache.Magazine;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Hands out ranges of an I/O address space.
 *
 * <h2>The case to beat</h2>
 *
 * An allocator that keeps what is taken in a tree ordered by address has to look for a gap: from
 * the limit downwards, past everything that is taken. Devices that reach 4 GiB only, and many
 * long-lived small ranges below that limit, make it walk past tens of thousands of nodes, at each
 * request; caches in front of it hide this until requests come that they do not keep. Here free
 * blocks are found by their order, in a tree of what is free: the steps depend on the size of the
 * space, not on what was taken of it.
 *
 * <h2>Layers</h2>
 *
 * <pre>
 *   threads      {@link IovaCache}: two magazines an order, up to 128 KiB
 *                     |  whole magazines
 *   depot        full and empty magazines, by order
 *                     |  one lock for both
 *   arenas       {@link IovaArena}: buddies in a bitmap, one a GiB, in an {@link OrderTree}
 * </pre>
 *
 * <p>Sizes are rounded up to powers of two, and a range is aligned to its size. Two zones, below 4
 * GiB and above, keep what 32-bit devices need: requests without a limit come from above while
 * there is any, and magazines of the zones do not mix. Requests with another limit go to the
 * arenas.
 *
 * <p>The thousand pages of interrupt messages, 0xFEEx_xxxx, are never handed out, nor is address 0.
 *
 * <h2>Bad frees</h2>
 *
 * A range that is freed and was not handed out, or not with that size, is an {@link
 * IllegalArgumentException}, wherever the range is now: a free cannot put an address into the hands
 * of two.
 *
 * <p>Exhausted is the result {@link #NONE}, given only after all caches and the depot were emptied.
 * Thread-safe. Nothing is allocated on the Java heap but a GiB's arena at its first address,
 * magazines that the depot had not had, and each thread's first call.
 */
public final class IovaAllocator {
  /** Result: there is no such range. */
  public static final long NONE = -1;

  /** The limit of devices with 32 bits of address, and the border of the zones. */
  public static final long LIMIT_32_BIT = 1L << 32;

  /** Pages of the largest range, 1 GiB. */
  public static final long MOST_PAGES = 1L << IovaArena.ORDER;

  private static final int PAGE = 12;
  private static final int CACHES = 32;
  private static final int LOW_ARENAS = 4;
  private static final int BATCH = IovaCache.MAGAZINE / 2;
  private static final long MESSAGES_FIRST = 0xFEE00;
  private static final int MESSAGES_ORDER = 8;

  private final long end;
  private final IovaArena[] arenas;
  private final OrderTree tree;
  private final IovaCache[] caches = new IovaCache[CACHES];
  private final AtomicInteger nextCache = new AtomicInteger();
  private final ThreadLocal<IovaCache> own =
      ThreadLocal.withInitial(() -> caches[nextCache.getAndIncrement() & CACHES - 1]);

  private final Object lock = new Object();

  /** By zone and order: full magazines. */
  private final ArrayDeque<Magazine>[] full = deques();

  private final ArrayDeque<Magazine> empty = new ArrayDeque<>();

  /**
   * An allocator for addresses 4 KiB to an end.
   *
   * @param end the first address beyond, a multiple of 4 KiB up to 2<sup>47</sup>
   */
  public IovaAllocator(long end) {
    if (end <= 1 << PAGE || end > 1L << 47 || (end & (1 << PAGE) - 1) != 0) {
      throw new IllegalArgumentException(
          "an I/O address space ends at a multiple of 4 KiB up to 2^47: end=0x%x".formatted(end));
    }
    this.end = end >>> PAGE;
    int count = (int) (this.end + MOST_PAGES - 1 >>> IovaArena.ORDER);
    int levels = 32 - Integer.numberOfLeadingZeros(count - 1);
    arenas = new IovaArena[count];
    tree = new OrderTree(levels, IovaArena.ORDER, false);
    for (int i = 0; i < CACHES; i++) {
      caches[i] = new IovaCache();
    }
    for (int beyond = count; beyond < 1 << levels; beyond++) {
      tree.set(beyond, -1);
    }
    reserveAll();
  }

  @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type
  private static ArrayDeque<Magazine>[] deques() {
    ArrayDeque[] made = new ArrayDeque[IovaCache.ZONES * IovaCache.ORDERS];
    for (int i = 0; i < made.length; i++) {
      made[i] = new ArrayDeque<>();
    }
    return made;
  }

  /** Page 0, messages, and what the last arena has beyond the end. */
  private void reserveAll() {
    arena(0).reserve(0, 0);
    if (end > MESSAGES_FIRST) {
      int inArena = (int) (MESSAGES_FIRST & MOST_PAGES - 1);
      arena((int) (MESSAGES_FIRST >>> IovaArena.ORDER)).reserve(inArena, MESSAGES_ORDER);
    }
    int last = arenas.length - 1;
    for (long page = end; page < (long) arenas.length << IovaArena.ORDER; ) {
      int order = Math.min(IovaArena.ORDER, Long.numberOfTrailingZeros(page));
      arena(last).reserve((int) (page & MOST_PAGES - 1), order);
      page += 1L << order;
    }
    for (int i = 0; i < arenas.length; i++) {
      if (arenas[i] != null) {
        tree.set(i, arenas[i].largest());
      }
    }
  }

  private IovaArena arena(int number) {
    IovaArena arena = arenas[number];
    if (arena == null) {
      arena = new IovaArena();
      arenas[number] = arena;
    }
    return arena;
  }

  private static int order(long pages) {
    if (pages <= 0 || pages > MOST_PAGES) {
      throw new IllegalArgumentException(
          "a range has 1 to %d pages: pages=%d".formatted(MOST_PAGES, pages));
    }
    return 64 - Long.numberOfLeadingZeros(pages - 1);
  }

  // ---- allocating

  /**
   * Allocates a range.
   *
   * @param pages how many pages of 4 KiB, 1 to {@link #MOST_PAGES}
   * @param limit the range lies below this address; {@link Long#MAX_VALUE} for none
   * @return its first address, aligned to the next power of two of its size, or {@link #NONE}
   */
  public long allocate(long pages, long limit) {
    int order = order(pages);
    long page = NONE;
    if (limit >= end << PAGE && end > LIMIT_32_BIT >>> PAGE) {
      page = allocateIn(1, order, end);
    }
    if (page == NONE) {
      long last = Math.min(end, limit >>> PAGE);
      page =
          last >= Math.min(end, LIMIT_32_BIT >>> PAGE)
              ? allocateIn(0, order, last)
              : fromArenas(0, arenas.length, order, last);
    }
    if (page == NONE) {
      page = afterEmptying(order, Math.min(end, limit >>> PAGE));
      if (page == NONE) {
        return NONE;
      }
    }
    arenas[(int) (page >>> IovaArena.ORDER)].handOut((int) (page & MOST_PAGES - 1), order);
    return page << PAGE;
  }

  private long allocateIn(int zone, int order, long last) {
    if (order < IovaCache.ORDERS) {
      IovaCache cache = own.get();
      if (cache.tryLock()) {
        try {
          return cached(cache, zone, order);
        } finally {
          cache.unlock();
        }
      }
    }
    return fromArenas(zone * LOW_ARENAS, zone == 0 ? LOW_ARENAS : arenas.length, order, last);
  }

  private long cached(IovaCache cache, int zone, int order) {
    int which = zone * IovaCache.ORDERS + order;
    Magazine magazine = cache.loaded[which];
    if (magazine.isEmpty()) {
      Magazine next = cache.other[which];
      if (next.isEmpty()) {
        next = refilled(next, which, zone, order);
      }
      cache.other[which] = magazine;
      cache.loaded[which] = next;
      magazine = next;
    }
    return magazine.isEmpty() ? NONE : magazine.pop();
  }

  /** A full magazine of the depot's for an empty one, or this one filled in part. */
  private Magazine refilled(Magazine magazine, int which, int zone, int order) {
    synchronized (lock) {
      Magazine of = full[which].pollLast();
      if (of != null) {
        empty.addLast(magazine);
        return of;
      }
      int first = zone * LOW_ARENAS;
      int behind = zone == 0 ? LOW_ARENAS : arenas.length;
      while (magazine.count < BATCH) {
        long page = fromArenas(first, behind, order, end);
        if (page == NONE) {
          break;
        }
        magazine.push(page);
      }
      // The lowest is handed out first.
      for (int i = 0, j = magazine.count - 1; i < j; i++, j--) {
        long swapped = magazine.pages[i];
        magazine.pages[i] = magazine.pages[j];
        magazine.pages[j] = swapped;
      }
      return magazine;
    }
  }

  /** From arenas of a first to one behind the last, below a page. */
  private long fromArenas(int first, int behind, int order, long last) {
    synchronized (lock) {
      int stop = (int) Math.min(behind, last + MOST_PAGES - 1 >>> IovaArena.ORDER);
      for (int at = tree.first(first, order);
          at >= 0 && at < stop;
          at = tree.first(at + 1, order)) {
        long base = (long) at << IovaArena.ORDER;
        IovaArena arena = arena(at);
        int page = arena.take(order, (int) Math.min(MOST_PAGES, last - base));
        if (page != IovaArena.NONE) {
          tree.set(at, arena.largest());
          return base + page;
        }
      }
      return NONE;
    }
  }

  /** The last resort: all caches are emptied into the arenas. */
  private long afterEmptying(int order, long last) {
    for (IovaCache cache : caches) {
      cache.lock();
    }
    try {
      synchronized (lock) {
        for (int which = 0; which < full.length; which++) {
          int of = which % IovaCache.ORDERS;
          for (IovaCache cache : caches) {
            emptyInto(cache.loaded[which], of);
            emptyInto(cache.other[which], of);
          }
          while (!full[which].isEmpty()) {
            Magazine magazine = full[which].pollLast();
            emptyInto(magazine, of);
            empty.addLast(magazine);
          }
        }
        return fromArenas(0, arenas.length, order, last);
      }
    } finally {
      for (IovaCache cache : caches) {
        cache.unlock();
      }
    }
  }

  private void emptyInto(Magazine magazine, int order) {
    while (!magazine.isEmpty()) {
      giveToArena(magazine.pop(), order);
    }
  }

  // ---- freeing

  /**
   * Frees a range.
   *
   * @param iova its first address
   * @param pages its size, as it was allocated
   * @throws IllegalArgumentException if no range of that size was handed out there, or it is freed
   *     already
   */
  public void free(long iova, long pages) {
    int order = order(pages);
    long page = iova >>> PAGE;
    IovaArena arena = arenaOf(iova);
    if (arena == null || !arena.takeBack((int) (page & MOST_PAGES - 1), order)) {
      throw notHandedOut(iova, pages);
    }
    if (order < IovaCache.ORDERS) {
      IovaCache cache = own.get();
      if (cache.tryLock()) {
        try {
          keep(cache, page, order);
          return;
        } finally {
          cache.unlock();
        }
      }
    }
    synchronized (lock) {
      giveToArena(page, order);
    }
  }

  /**
   * Checks that a range is handed out, with that size.
   *
   * @throws IllegalArgumentException if it is not
   */
  public void check(long iova, long pages) {
    IovaArena arena = arenaOf(iova);
    if (arena == null || !arena.isHandedOut((int) (iova >>> PAGE & MOST_PAGES - 1), order(pages))) {
      throw notHandedOut(iova, pages);
    }
  }

  private IovaArena arenaOf(long iova) {
    long page = iova >>> PAGE;
    return (iova & (1 << PAGE) - 1) == 0 && page < end
        ? arenas[(int) (page >>> IovaArena.ORDER)]
        : null;
  }

  private static IllegalArgumentException notHandedOut(long iova, long pages) {
    return new IllegalArgumentException(
        "not handed out, or not with that size: iova=0x%x pages=%d".formatted(iova, pages));
  }

  private void keep(IovaCache cache, long page, int order) {
    int zone = page < LIMIT_32_BIT >>> PAGE ? 0 : 1;
    int which = zone * IovaCache.ORDERS + order;
    Magazine magazine = cache.loaded[which];
    if (magazine.isFull()) {
      Magazine next = cache.other[which];
      if (next.isFull()) {
        next = exchangedForEmpty(next, which);
      }
      cache.other[which] = magazine;
      cache.loaded[which] = next;
      magazine = next;
    }
    magazine.push(page);
  }

  private Magazine exchangedForEmpty(Magazine magazine, int which) {
    synchronized (lock) {
      full[which].addLast(magazine);
      Magazine of = empty.pollLast();
      return of == null ? new Magazine() : of;
    }
  }

  private void giveToArena(long page, int order) {
    int number = (int) (page >>> IovaArena.ORDER);
    IovaArena arena = arenas[number];
    arena.give((int) (page & MOST_PAGES - 1), order);
    tree.set(number, arena.largest());
  }
}

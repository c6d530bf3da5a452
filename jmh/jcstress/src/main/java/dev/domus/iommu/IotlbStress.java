package dev.domus.iommu;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.invoke.VarHandle;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;
import org.openjdk.jcstress.infra.results.JJ_Result;

/**
 * The steps of {@link Invalidation}'s protocol, by hand: a table of one entry, a cache,
 * announcements. The page's frame is one word of the heap, so that what a device does to it shows.
 */
public final class IotlbStress {
  private static final int DID = 1;
  private static final long IOVA = 0x5000;

  private IotlbStress() {}

  /** A page that is mapped, and its frame, which its next owner writes 2 into. */
  private static class Page {
    final TranslationCache cache = new TranslationCache(0, 12);
    final Announcements announcements = new Announcements();
    final long key = cache.key(DID, IOVA);
    volatile int entry = 1;
    int frame;

    /** A device's access: what it did, or 0 if it was refused. */
    int store() {
      int slot = announcements.enter(DID, IOVA);
      try {
        long kept = cache.find(key);
        if (kept == TranslationCache.MISS) {
          if (entry == 0) {
            return 0;
          }
          cache.insert(key, 1);
        }
        frame = 1;
        return 1;
      } finally {
        announcements.leave(slot);
      }
    }

    /** As {@link DmaPort} does it when the cache has the page: looked up first. */
    int storeEager() {
      int set = cache.setOf(key);
      long version = cache.version(set);
      if (cache.peek(set, key) == TranslationCache.MISS) {
        return store();
      }
      int slot = announcements.enter(DID, IOVA);
      try {
        if (!cache.isStill(set, version)) {
          return 0;
        }
        frame = 1;
        return 1;
      } finally {
        announcements.leave(slot);
      }
    }

    void unmap() {
      entry = 0;
      drain();
      cache.remove(key);
      drain();
      frame = 2;
    }

    private void drain() {
      VarHandle.fullFence();
      announcements.drain(DID, IOVA, IOVA);
    }
  }

  /** A device that walks against an unmap. */
  @JCStressTest
  @Outcome(
      id = {"1, 2", "0, 2"},
      expect = ACCEPTABLE,
      desc = "stored before the unmap, or refused")
  @Outcome(expect = FORBIDDEN, desc = "the next owner's frame is written")
  @State
  public static class WalkAgainstUnmap {
    private final Page page = new Page();

    /** Stores. */
    @Actor
    public void device(II_Result r) {
      r.r1 = page.store();
    }

    /** Unmaps and has a next owner. */
    @Actor
    public void owner() {
      page.unmap();
    }

    /** What the next owner finds. */
    @Arbiter
    public void look(II_Result r) {
      r.r2 = page.frame;
    }
  }

  /** A device that hits, by either order of steps, against an unmap. */
  @JCStressTest
  @Outcome(
      id = {"1, 2", "0, 2"},
      expect = ACCEPTABLE,
      desc = "stored before the unmap, or refused")
  @Outcome(expect = FORBIDDEN, desc = "the next owner's frame is written")
  @State
  public static class HitAgainstUnmap {
    private final Page page = new Page();

    /** The page is in the cache. */
    public HitAgainstUnmap() {
      page.cache.insert(page.key, 1);
    }

    /** Stores; then walks, perhaps with what it has put out of the cache itself. */
    @Actor
    public void device(II_Result r) {
      r.r1 = page.storeEager() | page.store();
    }

    /** Unmaps and has a next owner. */
    @Actor
    public void owner() {
      page.unmap();
    }

    /** What the next owner finds. */
    @Arbiter
    public void look(II_Result r) {
      r.r2 = page.frame;
    }
  }

  /** What a walk has found does not stay in the cache over an unmap. */
  @JCStressTest
  @Outcome(id = "0", expect = ACCEPTABLE, desc = "forgotten")
  @Outcome(id = "1", expect = FORBIDDEN, desc = "a stale translation is left")
  @State
  public static class NothingStaleStays {
    private final Page page = new Page();

    /** Walks and inserts, then hits. */
    @Actor
    public void device() {
      page.store();
      page.storeEager();
    }

    /** Unmaps. */
    @Actor
    public void owner() {
      page.unmap();
    }

    /** What is left. */
    @Arbiter
    public void look(I_Result r) {
      r.r1 = page.cache.find(page.key) == TranslationCache.MISS ? 0 : 1;
    }
  }

  /**
   * A set is never read half changed: two keys, each with its own value, share one set of one way
   * more.
   */
  @JCStressTest
  @Outcome(
      id = {"0, 0", "10, 0", "0, 20", "10, 20"},
      expect = ACCEPTABLE,
      desc = "each its own value, or a miss")
  @Outcome(expect = FORBIDDEN, desc = "the value of another key")
  @State
  public static class ValuesBelongToTheirKeys {
    private final TranslationCache cache = new TranslationCache(0, 12);

    /** The set is full. */
    public ValuesBelongToTheirKeys() {
      for (int way = 1; way <= TranslationCache.WAYS; way++) {
        cache.insert(cache.key(7, (long) way << 12), 70);
      }
    }

    /** Inserts, removes, and inserts another in the same place. */
    @Actor
    public void change() {
      cache.insert(cache.key(1, IOVA), 10);
      cache.remove(cache.key(1, IOVA));
      cache.insert(cache.key(2, IOVA), 20);
    }

    /** Reads. */
    @Actor
    public void read(JJ_Result r) {
      r.r1 = cache.find(cache.key(1, IOVA));
      r.r2 = cache.find(cache.key(2, IOVA));
    }
  }
}

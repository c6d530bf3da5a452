package dev.domus.memory;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.foreign.ValueLayout;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;
import org.openjdk.jcstress.infra.results.I_Result;

/** {@link FrameAllocator}: a frame is in one place, and handed from cache to cache as it is. */
public final class FrameAllocatorStress {
  /** Far more frames than there are states at a time; untouched ones cost nothing. */
  private static final long BYTES = 1L << 30;

  private static final MachineMemory MEMORY = MachineMemory.reserve(BYTES);
  private static final FrameAllocator ALLOCATOR =
      new FrameAllocator(MEMORY, new FrameTable(MEMORY.frames()), 1);

  private FrameAllocatorStress() {}

  private static long word(long mfn) {
    return MEMORY.segment().get(ValueLayout.JAVA_LONG, mfn << MachineMemory.FRAME_SHIFT);
  }

  /** Two allocate. */
  @JCStressTest
  @Outcome(id = "1", expect = ACCEPTABLE, desc = "two frames, both zero")
  @Outcome(id = "0", expect = FORBIDDEN, desc = "one frame for two, or somebody's old contents")
  @State
  public static class AllocateAgainstAllocate {
    private long one, other;

    /** One. */
    @Actor
    public void one() {
      one = ALLOCATOR.allocate(0);
    }

    /** The other. */
    @Actor
    public void other() {
      other = ALLOCATOR.allocate(0);
    }

    /** What they have; they leave something behind in it. */
    @Arbiter
    public void look(I_Result r) {
      boolean different = one != other && one > 0 && other > 0;
      r.r1 = different && word(one) == 0 && word(other) == 0 ? 1 : 0;
      MEMORY.segment().set(ValueLayout.JAVA_LONG, one << MachineMemory.FRAME_SHIFT, -1);
      MEMORY.segment().set(ValueLayout.JAVA_LONG, other << MachineMemory.FRAME_SHIFT, -1);
      ALLOCATOR.free(one, 0);
      if (different) {
        ALLOCATOR.free(other, 0);
      }
    }
  }

  /** Two free the same frame. */
  @JCStressTest
  @Outcome(
      id = {"1, 0", "0, 1"},
      expect = ACCEPTABLE,
      desc = "the second is told")
  @Outcome(expect = FORBIDDEN, desc = "freed twice: two owners will be given it")
  @State
  public static class FreeTwice {
    private final long mfn = ALLOCATOR.allocate(0);

    private static int free(long mfn) {
      try {
        ALLOCATOR.free(mfn, 0);
        return 1;
      } catch (IllegalStateException twice) {
        return 0;
      }
    }

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = free(mfn);
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = free(mfn);
    }
  }

  /** A frame goes from one thread's hands through a cache into another's. */
  @JCStressTest
  @Outcome(
      id = {"0, 0", "1, 1"},
      expect = ACCEPTABLE,
      desc = "not there yet, or as it was left")
  @Outcome(id = "1, 0", expect = FORBIDDEN, desc = "handed over before it was what it should be")
  @Outcome(expect = FORBIDDEN, desc = "a frame that nobody put in")
  @State
  public static class CacheHandOver {
    private final FrameCache cache = new FrameCache();
    private int contents;

    /** Puts in. */
    @Actor
    public void push() {
      contents = 1;
      cache.lock();
      cache.push(7, false);
      cache.unlock();
    }

    /** Takes out, as another thread does that finds the lists empty. */
    @Actor
    public void pop(II_Result r) {
      if (cache.tryLock()) {
        boolean got = cache.pop() == 7;
        cache.unlock();
        r.r1 = got ? 1 : 0;
        r.r2 = got ? contents : 0;
      }
    }
  }

  /** Two take the only frame of a cache. */
  @JCStressTest
  @Outcome(
      id = {"7, 0", "0, 7"},
      expect = ACCEPTABLE,
      desc = "one has it")
  @Outcome(expect = FORBIDDEN, desc = "both have it, or it is gone")
  @State
  public static class LastOfACache {
    private final FrameCache cache = new FrameCache();

    /** One frame. */
    public LastOfACache() {
      cache.push(7, true);
    }

    private int take() {
      cache.lock();
      int mfn = cache.pop();
      cache.unlock();
      return mfn;
    }

    /** One. */
    @Actor
    public void one(II_Result r) {
      r.r1 = take();
    }

    /** The other. */
    @Actor
    public void other(II_Result r) {
      r.r2 = take();
    }
  }
}

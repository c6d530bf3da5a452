package dev.domus.kernel.mmu;

import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.VcpuEngine;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * What one vCPU's engine has to forget before it uses a translation again.
 *
 * <p>Others {@linkplain #add put in} what they want forgotten, and then see to it that the vCPU
 * comes by ({@code Vcpu} has that part of the protocol); its own thread {@linkplain #carryOut takes
 * out} and has it done. There are a few places, since there is seldom more than one in use; when
 * they are full, or somebody wants everything forgotten, a mark says so and the places no longer
 * matter. Pages that follow each other share one.
 *
 * <p><b>Why nothing is lost.</b> Invalidations commute, so this is a bag and no queue, and one that
 * lies there already need not be put in twice: it will be taken out later than it was seen, hence
 * carried out after whatever the second one is for. The mark is taken before the places are emptied
 * and the engine told after, so what was added in between is covered, whichever way it went.
 *
 * <p><b>Base pointers.</b> A load is noted and settled at the next entry, by the vCPU's thread like
 * all that concerns its engine, though the loads of a vCPU that does not run are made by others.
 * {@code DomainTlb} says what a load drops, and when it need not.
 */
public final class PendingInvalidations {
  private static final int PLACES = 8;
  private static final long FREE = 0;

  private final DomainTlb tlb;
  private final AtomicLongArray places = new AtomicLongArray(PLACES);
  private final AtomicBoolean all = new AtomicBoolean();

  /** {@link DomainTlb#changes} from before everything was last dropped. */
  private long asOf;

  private boolean loaded;
  private boolean reloaded;

  /** Makes it for a vCPU of the domain whose memory this is; the engine has cached nothing yet. */
  public PendingInvalidations(Mmu mmu) {
    tlb = mmu.tlb();
  }

  /** Puts an invalidation in. Any thread; never blocks. */
  public void add(long invalidation) {
    if (all.get()) {
      return;
    }
    if (Invalidation.kind(invalidation) != Invalidation.Kind.ALL) {
      for (int i = 0; i < PLACES; i++) {
        if (put(i, invalidation)) {
          return;
        }
      }
    }
    all.set(true);
  }

  private boolean put(int place, long invalidation) {
    long there = places.get(place);
    if (there == invalidation) {
      return true;
    }
    long both = there == FREE ? invalidation : Invalidation.joined(there, invalidation);
    return both != FREE && places.compareAndSet(place, there, both);
  }

  /**
   * A base pointer has been loaded. The vCPU's own thread, or any while it does not run.
   *
   * @param again whether it is the one that was loaded before: then the guest wants a flush
   */
  public void loaded(boolean again) {
    loaded = true;
    reloaded |= again;
  }

  /** Settles the loads of base pointers since the last entry. The vCPU's own thread. */
  public void settleLoads(VcpuEngine engine) {
    if (loaded) {
      loaded = false;
      if (reloaded || tlb.changes() != asOf) {
        reloaded = false;
        invalidateAll(engine);
      }
    }
  }

  /** Takes out all there is and has it done. The vCPU's own thread. */
  public void carryOut(VcpuEngine engine) {
    if (all.get() && all.getAndSet(false)) {
      for (int i = 0; i < PLACES; i++) {
        places.set(i, FREE);
      }
      invalidateAll(engine);
      return;
    }
    for (int i = 0; i < PLACES; i++) {
      if (places.get(i) != FREE) {
        engine.invalidate(places.getAndSet(i, FREE));
      }
    }
  }

  /** Has everything forgotten at once. The vCPU's own thread. */
  public void invalidateAll(VcpuEngine engine) {
    asOf = tlb.changes(); // first: what is found from now on is at least as new
    engine.invalidate(Invalidation.ALL);
  }
}

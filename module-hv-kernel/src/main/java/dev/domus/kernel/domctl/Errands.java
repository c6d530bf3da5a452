package dev.domus.kernel.domctl;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.service.HypercallException;
import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.OptionalInt;
import java.util.WeakHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntSupplier;

/**
 * Hypercalls that have to wait for pCPUs, on behalf of vCPUs that are on one: a pool whose pCPUs
 * change waits until all are home, and the caller's would never be. So the work is done by a thread
 * of its own while the vCPU is paused; then the vCPU makes its hypercall again and is told the
 * result.
 *
 * <p>The result is told to the call that began it, which is known by what it asked: a guest that is
 * interrupted in between and comes back with another question gets that one's answer, and nobody
 * ever the answer to the first.
 *
 * <p>Thread-safe.
 */
final class Errands {
  private static final System.Logger LOG = System.getLogger(Errands.class.getName());

  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("errands").factory());

  /** By the vCPU that waits; weak, for a vCPU may die meanwhile. Guarded by itself. */
  private final Map<Vcpu, Errand> underWay = new WeakHashMap<>();

  Errands() {}

  private record Errand(Object question, OptionalInt result) {}

  /**
   * Begins the work, or tells its result.
   *
   * @param question what is asked; equal if it is the same
   * @param work answers the hypercall's result, or throws a {@link HypercallException}
   * @return the result; empty if the vCPU has to make the hypercall again, and is paused until that
   *     makes sense
   */
  OptionalInt ask(Vcpu v, Object question, IntSupplier work) {
    synchronized (underWay) {
      Errand errand = underWay.get(v);
      if (errand != null && errand.result.isEmpty()) {
        return OptionalInt.empty(); // somebody else has resumed it
      }
      underWay.remove(v);
      if (errand != null && errand.question.equals(question)) {
        return errand.result;
      }
      underWay.put(v, new Errand(question, OptionalInt.empty()));
    }
    v.unit().pause();
    thread.execute(() -> run(v, question, work));
    return OptionalInt.empty();
  }

  private void run(Vcpu v, Object question, IntSupplier work) {
    int result;
    try {
      v.unit().awaitOffCpu();
      result = work.getAsInt();
    } catch (HypercallException refused) {
      result = -refused.errno();
    } catch (RuntimeException fault) { // ours: the guest that asked must not wait for ever
      LOG.log(Level.ERROR, "errand failed: vcpu=" + v.label() + " question=" + question, fault);
      result = -Errno.EINVAL;
    }
    synchronized (underWay) {
      underWay.put(v, new Errand(question, OptionalInt.of(result)));
    }
    v.unit().resume();
  }

  /** Ends the thread. */
  void close() {
    thread.shutdownNow();
  }
}

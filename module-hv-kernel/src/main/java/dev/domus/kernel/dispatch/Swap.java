package dev.domus.kernel.dispatch;

import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;

/**
 * One swap of a pool's scheduler, in place, while guests run.
 *
 * <h2>Protocol</h2>
 *
 * <ol>
 *   <li>The incoming scheduler is made by the requester's thread, outside the lock: what is slow
 *       about it costs the guests nothing.
 *   <li><b>Gathering.</b> The request is put into the pool, and each pCPU that runs a unit is
 *       kicked. From now on no pCPU picks. Each puts its unit back, with the outgoing scheduler,
 *       and waits here. An idle pCPU need not come: it holds nothing, and cannot pick without the
 *       lock.
 *   <li>The pCPU that finds that no unit runs any more performs the swap, with the lock.
 *       <b>Exporting</b>: the outgoing scheduler writes the standing of each unit, and changes
 *       nothing. <b>Inserting</b>: the data slots are put aside and cleared, and each unit is
 *       inserted into the incoming scheduler, the longest waiting first.
 *   <li>The seat changes hands and all pCPUs, the idle ones too, ask the new scheduler.
 *   <li>The outgoing one is closed by the requester's thread, outside the lock.
 * </ol>
 *
 * <p>Any failure before step 4 undoes everything by restoring the slots, and the outgoing scheduler
 * goes on: it has seen some {@code put}s and nothing else. Wake-ups during the swap stay in the
 * mailbox, which does not care whose scheduler will hear of them.
 *
 * <p>A guest is held from the moment its pCPU has stopped ({@link #arrive}) to the moment that pCPU
 * may pick again ({@link #leave}); that is what {@link SwapReport#heldNanos} says. It is the time
 * the slowest pCPU takes to come out of its guest, plus one pass over the units.
 */
final class Swap {
  /** How far it is. */
  enum Phase {
    GATHERING,
    EXPORTING,
    INSERTING,
    OVER
  }

  private static final int SPINS = 1_000;
  private static final long NAP_NANOS = 50_000;

  final SchedulerFactory factory;
  final Scheduler incoming;
  private final String from;
  private final long requestedNanos;
  private final long[] arrivedNanos;
  private final long[] heldNanos;

  /** Those that wait here, to be unparked. Written with the lock, by themselves. */
  private final Thread[] held;

  // Guarded by the pool's lock, until it is over.
  Phase phase = Phase.GATHERING;
  private int inside;
  private int units;
  private Scheduler outgoing;
  private String refusal;
  private long overNanos;

  private volatile boolean released;

  Swap(String from, SchedulerFactory factory, Scheduler incoming, int pcpus, long nowNanos) {
    this.from = from;
    this.factory = factory;
    this.incoming = incoming;
    this.requestedNanos = nowNanos;
    this.overNanos = nowNanos;
    this.arrivedNanos = new long[pcpus];
    this.heldNanos = new long[pcpus];
    this.held = new Thread[pcpus];
  }

  // ------------------------------------------------------------------ with the pool's lock

  void arrive(Pcpu cpu, long nowNanos) {
    inside++;
    arrivedNanos[cpu.index] = Math.max(requestedNanos, nowNanos);
    held[cpu.index] = Thread.currentThread();
  }

  void leave(Pcpu cpu, long nowNanos) {
    heldNanos[cpu.index] = nowNanos - arrivedNanos[cpu.index];
    overNanos = Math.max(overNanos, nowNanos);
    synchronized (this) {
      inside--;
      notifyAll();
    }
  }

  void saveSlots(List<DispatchUnit> all) {
    for (DispatchUnit unit : all) {
      unit.saveSlots();
    }
  }

  void restoreSlots(List<DispatchUnit> all) {
    for (DispatchUnit unit : all) {
      unit.restoreSlots();
    }
  }

  void succeed(Scheduler deposed, List<DispatchUnit> all) {
    outgoing = deposed;
    units = all.size();
    for (DispatchUnit unit : all) {
      unit.dropSavedSlots();
    }
  }

  void refuse(String why) {
    refusal = why;
  }

  /** Lets everybody go on. */
  void release() {
    phase = Phase.OVER;
    synchronized (this) {
      released = true;
      notifyAll();
    }
    for (Thread waiting : held) {
      LockSupport.unpark(waiting); // which is nothing for null, and harmless for those who spin
    }
  }

  // ------------------------------------------------------------------ without it

  /** A held pCPU waits: spinning first, for a swap takes microseconds. */
  void awaitRelease() {
    for (int i = 0; !released; i++) {
      if (i < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.interrupted(); // or it would not park
        LockSupport.parkNanos(this, NAP_NANOS);
      }
    }
  }

  /** The requester waits until it is over and all pCPUs are back at work; false if not in time. */
  synchronized boolean awaitOver(long patienceNanos) {
    long start = System.nanoTime();
    boolean interrupted = false;
    while (!released || inside > 0) {
      long left = (patienceNanos - (System.nanoTime() - start)) / 1_000_000;
      if (left <= 0) {
        break;
      }
      try {
        wait(left);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return released && inside == 0;
  }

  /** The scheduler that was deposed; empty if the swap was refused. */
  Optional<Scheduler> outgoing() {
    return Optional.ofNullable(outgoing);
  }

  SwapReport report(String pool) {
    return new SwapReport(
        pool,
        from,
        factory.name(),
        Optional.ofNullable(refusal),
        units,
        overNanos - requestedNanos,
        heldNanos);
  }
}

package dev.domus.kernel.servicedomain;

import dev.domus.kernel.service.Worker;
import dev.domus.kernel.time.VirtualClock;
import java.lang.System.Logger.Level;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The services of a deterministic machine: one thread that does all workers' tasks in the order in
 * which they were given. The guests stand still meanwhile ({@link VirtualClock}), so nobody gives
 * tasks but the one pCPU before it waits, these tasks themselves, and whoever drives the machine
 * while it stands still: the order is the same in every run.
 *
 * <p>A task counts as outstanding from when it is given until it has returned, and so does what it
 * has given in turn, without a gap between the two.
 */
public final class ServiceTurns implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(ServiceTurns.class.getName());

  private final VirtualClock clock;
  private final BlockingQueue<Turn> turns = new LinkedBlockingQueue<>();
  private final Thread thread;
  private volatile boolean closed;

  /** A task, and whose it is. */
  private record Turn(TurnWorker worker, Runnable task) {}

  /** Starts the thread. */
  public ServiceTurns(VirtualClock clock) {
    this.clock = clock;
    thread = Thread.ofPlatform().daemon().name("domus-services").unstarted(this::serve);
    clock.servedBy(thread);
    thread.start();
  }

  /** A worker whose tasks are done here. */
  public Worker worker() {
    return new TurnWorker();
  }

  private void serve() {
    while (!closed) {
      try {
        perform(turns.take());
      } catch (InterruptedException e) {
        // By close(), or by somebody who has no business here.
      }
    }
  }

  private void perform(Turn turn) {
    try {
      if (!turn.worker.closed) {
        turn.task.run();
      }
    } catch (RuntimeException mistake) {
      LOG.log(Level.ERROR, "a service's task failed", mistake);
    } finally {
      clock.workEnds();
    }
  }

  /** Ends the thread when the task under way is done. */
  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    boolean interrupted = false;
    while (thread.isAlive() && Thread.currentThread() != thread) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private final class TurnWorker implements Worker {
    private volatile boolean closed;

    @Override
    public void execute(Runnable task) {
      clock.workBegins();
      turns.add(new Turn(this, task));
    }

    @Override
    public void call(Runnable task) {
      if (Thread.currentThread() == thread) {
        task.run();
        return;
      }
      AwaitedTask awaited = new AwaitedTask(task);
      execute(awaited);
      awaited.await(thread);
    }

    @Override
    public void close() {
      if (Thread.currentThread() != thread) {
        clock.settle();
      }
      closed = true;
    }
  }
}

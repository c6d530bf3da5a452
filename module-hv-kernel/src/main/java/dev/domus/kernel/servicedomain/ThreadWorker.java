package dev.domus.kernel.servicedomain;

import dev.domus.kernel.service.Worker;
import java.lang.System.Logger.Level;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A worker that is a thread: a virtual one, since most workers sleep most of the time. */
public final class ThreadWorker implements Worker {
  private static final System.Logger LOG = System.getLogger(ThreadWorker.class.getName());

  private final BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
  private final Thread thread;
  private volatile boolean closed;

  /** Starts the thread. */
  public ThreadWorker(String name) {
    thread = Thread.ofVirtual().name(name).start(this::serve);
  }

  @Override
  public void execute(Runnable task) {
    tasks.add(task);
  }

  @Override
  public void call(Runnable task) {
    if (Thread.currentThread() == thread) {
      task.run();
    } else {
      AwaitedTask awaited = new AwaitedTask(task);
      tasks.add(awaited);
      awaited.await(thread);
    }
  }

  private void serve() {
    while (!closed) {
      try {
        perform(tasks.take());
      } catch (InterruptedException e) {
        // By close(), or by somebody who has no business here.
      }
    }
  }

  private static void perform(Runnable task) {
    try {
      task.run();
    } catch (RuntimeException mistake) {
      LOG.log(Level.ERROR, "a service's task failed", mistake);
    }
  }

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
}

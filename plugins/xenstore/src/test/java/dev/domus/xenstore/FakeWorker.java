package dev.domus.xenstore;

import dev.domus.kernel.service.Worker;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** A worker that is a thread of its own. */
final class FakeWorker implements Worker {
  private final ExecutorService executor;
  private volatile Thread thread;

  FakeWorker(String name) {
    executor =
        Executors.newSingleThreadExecutor(task -> {
          thread = Thread.ofPlatform().daemon().name(name).unstarted(task);
          return thread;
        });
  }

  @Override
  public void execute(Runnable task) {
    if (!executor.isShutdown()) {
      executor.execute(task);
    }
  }

  @Override
  public void call(Runnable task) {
    if (Thread.currentThread() == thread) {
      task.run();
      return;
    }
    Future<?> done = executor.submit(task);
    try {
      done.get();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    if (Thread.currentThread() == thread) {
      executor.shutdownNow();
    } else {
      executor.close();
    }
  }
}

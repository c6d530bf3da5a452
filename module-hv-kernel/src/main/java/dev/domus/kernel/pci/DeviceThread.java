package dev.domus.kernel.pci;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;

/**
 * The thread on which a device's code runs: stores as they arrive, and calls of the hypervisor
 * (start, reset, close) between two of them. It ends when it is told to or the device throws; if
 * the device hangs it is interrupted and left behind.
 */
final class DeviceThread {
  /** What a device threw; told once. */
  interface FaultHandler {
    void threw(String during, Throwable fault);
  }

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private final PostedStores stores;
  private final PostedStores.Taker taker;
  private final PostedStores.Taker timed = this::store;
  private final FaultHandler faults;
  private final ConcurrentLinkedQueue<Call> calls = new ConcurrentLinkedQueue<>();
  private final Thread thread;
  private volatile boolean ended;

  /** When the store that it is in began by {@link System#nanoTime}, or 0. */
  private volatile long storingSince;

  /**
   * The store that the watch saw last, and the CPU time of the thread at that moment. The watch's.
   */
  private long watchedStore, watchedCpuNanos;

  private record Call(String name, Runnable body, CompletableFuture<Void> done) {}

  DeviceThread(String name, PostedStores stores, PostedStores.Taker taker, FaultHandler faults) {
    this.stores = stores;
    this.taker = taker;
    this.faults = faults;
    thread = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
  }

  void begin() {
    thread.start();
  }

  /**
   * Has a call made, and waits for its end.
   *
   * @return false if it did not return in time, or threw, or the thread has ended
   */
  boolean call(String name, Runnable body, long timeoutNanos) {
    Call call = new Call(name, body, new CompletableFuture<>());
    calls.add(call);
    LockSupport.unpark(thread);
    if (ended && calls.remove(call)) {
      return false;
    }
    boolean interrupted = false;
    long end = System.nanoTime() + timeoutNanos;
    try {
      while (true) {
        try {
          call.done.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
          return true;
        } catch (InterruptedException e) {
          interrupted = true;
        } catch (ExecutionException | TimeoutException failed) {
          return false;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Looks whether the device has been in one store for too long; called now and then by one thread.
   *
   * @return what it did, or nothing if it did nothing wrong
   */
  Optional<String> watch(Patience patience) {
    long store = storingSince;
    long cpuNanos = THREADS.getThreadCpuTime(thread.threadId());
    if (store == 0 || store != watchedStore) {
      watchedStore = store;
      watchedCpuNanos = cpuNanos;
      return Optional.empty();
    }
    if (cpuNanos - watchedCpuNanos > patience.storeCpuNanos()) {
      return Optional.of(
          "it used %d ms of CPU time in one store"
              .formatted((cpuNanos - watchedCpuNanos) / 1_000_000));
    }
    long tookNanos = System.nanoTime() - store;
    return tookNanos > patience.storeNanos()
        ? Optional.of("it did not return from a store in %d ms".formatted(tookNanos / 1_000_000))
        : Optional.empty();
  }

  /**
   * Ends it, after the call that it is in if that heeds the interrupt, and never if it does not.
   */
  void end() {
    ended = true;
    thread.interrupt();
    LockSupport.unpark(thread);
  }

  private void run() {
    try {
      while (!ended) {
        Call call = calls.poll();
        if (call != null) {
          make(call);
        } else if (!takeStore() && !ended && calls.isEmpty()) {
          stores.park();
        }
      }
    } finally {
      ended = true;
      for (Call call = calls.poll(); call != null; call = calls.poll()) {
        call.done.completeExceptionally(new IllegalStateException("the device has ended"));
      }
    }
  }

  private void make(Call call) {
    try {
      call.body.run();
      call.done.complete(null);
    } catch (Throwable fault) { // of a plugin: whatever it is, the device has failed
      faults.threw(call.name, fault);
      call.done.completeExceptionally(fault);
    }
  }

  private boolean takeStore() {
    try {
      return stores.take(timed);
    } catch (Throwable fault) { // as above
      faults.threw("store", fault);
      return true;
    }
  }

  private void store(int bar, long offset, int size, long value) {
    storingSince = System.nanoTime() | 1; // never 0, which means that it is not in the device
    try {
      taker.store(bar, offset, size, value);
    } finally {
      storingSince = 0;
    }
  }
}

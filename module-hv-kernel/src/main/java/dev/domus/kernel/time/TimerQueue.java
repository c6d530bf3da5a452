package dev.domus.kernel.time;

import dev.domus.kernel.dispatch.PcpuClock;
import java.util.Arrays;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * All timers of the machine: a binary heap by deadline, served by one thread, or on a deterministic
 * machine by the pCPU, which asks when the next one is due and fires it.
 *
 * <p>A {@link Timer} is made once, by the vCPU that owns it, and armed and disarmed any number of
 * times without allocation; it knows its place in the heap. Arming costs a lock and O(log n); the
 * thread is woken only when the new timer is the earliest. A timer that is disarmed or moved while
 * its action is about to run may fire once more: actions are notifications and harmless when
 * spurious.
 *
 * <p>Lock order: the queue's lock is a leaf; actions run without it.
 */
public final class TimerQueue implements AutoCloseable {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition earlier = lock.newCondition();
  private final PcpuClock clock;

  /** Null if the queue is driven. */
  private final Thread thread;

  /** Deadline of the first timer; written under the lock. */
  private volatile long nextNanos = Long.MAX_VALUE;

  private Timer[] heap = new Timer[16];
  private int size;
  private boolean closed;

  /** A queue with a thread of its own, which it starts. */
  public TimerQueue(PcpuClock clock) {
    this.clock = clock;
    thread = Thread.ofPlatform().name("domus-timers").daemon().start(this::serve);
  }

  private TimerQueue() {
    clock = null;
    thread = null;
  }

  /** A queue whose timers fire when somebody calls {@link #fire}. */
  static TimerQueue driven() {
    return new TimerQueue();
  }

  /** When the next timer is due; {@link Long#MAX_VALUE} if none is armed. Takes no lock. */
  long nextNanos() {
    return nextNanos;
  }

  /** Fires what is due, in the order of deadlines. */
  void fire(long nowNanos) {
    for (Timer due = takeDue(nowNanos); due != null; due = takeDue(nowNanos)) {
      due.action.run();
    }
  }

  private Timer takeDue(long nowNanos) {
    lock.lock();
    try {
      if (size == 0 || heap[0].deadline - nowNanos > 0) {
        return null;
      }
      Timer due = heap[0];
      removeAt(0);
      return due;
    } finally {
      lock.unlock();
    }
  }

  /** One timer. Its action runs on the timer thread, must be short and must not throw. */
  public static final class Timer {
    private final Runnable action;
    private long deadline;
    private int index = -1;

    /** Makes a disarmed timer. */
    public Timer(Runnable action) {
      this.action = action;
    }
  }

  /**
   * Arms a timer, or moves it if it is armed.
   *
   * @param nanos when to fire, on the scale of {@link PcpuClock#nanoTime}; a time that has passed
   *     fires at once
   */
  public void arm(Timer timer, long nanos) {
    lock.lock();
    try {
      if (timer.index >= 0) {
        removeAt(timer.index);
      }
      timer.deadline = nanos;
      if (size == heap.length) {
        heap = Arrays.copyOf(heap, 2 * size);
      }
      siftUp(size++, timer);
      nextNanos = heap[0].deadline;
      if (timer.index == 0) {
        earlier.signal();
      }
    } finally {
      lock.unlock();
    }
  }

  /** When a timer will fire; {@link Long#MAX_VALUE} if it is not armed. */
  long deadline(Timer timer) {
    lock.lock();
    try {
      return timer.index < 0 ? Long.MAX_VALUE : timer.deadline;
    } finally {
      lock.unlock();
    }
  }

  /** Disarms a timer; does nothing if it is not armed. */
  public void disarm(Timer timer) {
    lock.lock();
    try {
      if (timer.index >= 0) {
        removeAt(timer.index);
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      earlier.signal();
    } finally {
      lock.unlock();
    }
    boolean interrupted = false;
    while (thread != null && thread.isAlive()) {
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

  private void serve() {
    while (true) {
      Timer due = awaitDue();
      if (due == null) {
        return;
      }
      due.action.run();
    }
  }

  private Timer awaitDue() {
    lock.lock();
    try {
      while (!closed) {
        if (size == 0) {
          earlier.awaitUninterruptibly();
          continue;
        }
        long wait = heap[0].deadline - clock.nanoTime();
        if (wait <= 0) {
          Timer due = heap[0];
          removeAt(0);
          return due;
        }
        try {
          earlier.awaitNanos(wait);
        } catch (InterruptedException e) {
          // Nobody interrupts this thread on purpose; the loop looks at the state again.
        }
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  private void removeAt(int index) {
    heap[index].index = -1;
    Timer last = heap[--size];
    heap[size] = null;
    if (index < size) {
      siftDown(index, last);
      if (last.index == index) {
        siftUp(index, last);
      }
    }
    nextNanos = size == 0 ? Long.MAX_VALUE : heap[0].deadline;
  }

  private void siftUp(int start, Timer timer) {
    int index = start;
    while (index > 0 && timer.deadline - heap[(index - 1) >>> 1].deadline < 0) {
      place(index, heap[(index - 1) >>> 1]);
      index = (index - 1) >>> 1;
    }
    place(index, timer);
  }

  private void siftDown(int start, Timer timer) {
    int index = start;
    while (2 * index + 1 < size) {
      int child = 2 * index + 1;
      if (child + 1 < size && heap[child + 1].deadline - heap[child].deadline < 0) {
        child++;
      }
      if (timer.deadline - heap[child].deadline <= 0) {
        break;
      }
      place(index, heap[child]);
      index = child;
    }
    place(index, timer);
  }

  private void place(int index, Timer timer) {
    heap[index] = timer;
    timer.index = index;
  }
}

package dev.domus.kernel.time;

import java.util.Arrays;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * All timers of the machine: a binary heap by deadline, served by one thread.
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
  private final Thread thread;
  private Timer[] heap = new Timer[16];
  private int size;
  private boolean closed;

  /** Starts the timer thread. */
  public TimerQueue() {
    thread = Thread.ofPlatform().name("domus-timers").daemon().start(this::serve);
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
   * @param hostNanos when to fire, on the scale of {@link System#nanoTime}; a time that has passed
   *     fires at once
   */
  public void arm(Timer timer, long hostNanos) {
    lock.lock();
    try {
      if (timer.index >= 0) {
        removeAt(timer.index);
      }
      timer.deadline = hostNanos;
      if (size == heap.length) {
        heap = Arrays.copyOf(heap, 2 * size);
      }
      siftUp(size++, timer);
      if (timer.index == 0) {
        earlier.signal();
      }
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
    while (thread.isAlive()) {
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
        long wait = heap[0].deadline - System.nanoTime();
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

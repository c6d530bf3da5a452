package dev.domus.kernel.pci;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Stores to a function's registers on their way from vCPUs to the device's thread: the posted
 * writes of the bus.
 *
 * <h2>Order</h2>
 *
 * Each store takes a ticket, the number of stores before it. Tickets are taken by CAS, slots are
 * published by a sequence number each (the bounded queue of D. Vyukov), so stores of one vCPU
 * arrive in the order in which it made them and stores of several in some order. A read must not
 * pass the stores made before it: {@link #awaitTaken} returns when the device has taken all that
 * had a ticket when it began.
 *
 * <h2>Waiting</h2>
 *
 * A vCPU waits in two cases, a load with stores on their way and a store for which there is no
 * room, and both end after a time: the caller then gives the device up. The device's thread parks
 * when nothing is on its way and is unparked by the next store. Neither side looks at a clock,
 * allocates or locks as long as nobody has to wait.
 */
final class PostedStores {
  /** Takes a store. */
  interface Taker {
    void store(int bar, long offset, int size, long value);
  }

  /** Enough for the doorbells of a busy device; a guest that fills it waits for its device. */
  private static final int CAPACITY = 1024;

  private static final int SIZE_BITS = 4;
  private static final int BAR_BITS = 3;

  private final AtomicLongArray sequences = new AtomicLongArray(CAPACITY);
  private final long[] wheres = new long[CAPACITY];
  private final long[] values = new long[CAPACITY];
  private final AtomicLong tickets = new AtomicLong();
  private volatile long taken;
  private volatile Thread parked;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition progress = lock.newCondition();
  private volatile int waiting;
  private volatile boolean ended;

  PostedStores() {
    for (int i = 0; i < CAPACITY; i++) {
      sequences.setPlain(i, i);
    }
  }

  /**
   * Posts a store.
   *
   * @param timeoutNanos how long to wait for room
   * @return false if there was none in time: the store is lost
   */
  boolean post(int bar, long offset, int size, long value, long timeoutNanos) {
    while (true) {
      long ticket = tickets.get();
      int slot = (int) (ticket & CAPACITY - 1);
      long lead = sequences.getAcquire(slot) - ticket;
      if (lead == 0 && tickets.compareAndSet(ticket, ticket + 1)) {
        wheres[slot] = offset << SIZE_BITS + BAR_BITS | (long) bar << SIZE_BITS | size;
        values[slot] = value;
        sequences.set(slot, ticket + 1);
        wake();
        return true;
      }
      if (lead < 0 && !awaitTaken(ticket - CAPACITY + 1, timeoutNanos)) {
        return false;
      }
    }
  }

  private void wake() {
    Thread thread = parked;
    if (thread != null) {
      LockSupport.unpark(thread);
    }
  }

  /**
   * Waits until the device has taken all stores that have been posted so far.
   *
   * @return false if it has not in time, or takes none any more
   */
  boolean awaitTaken(long timeoutNanos) {
    return awaitTaken(tickets.get(), timeoutNanos);
  }

  private boolean awaitTaken(long ticket, long timeoutNanos) {
    if (taken >= ticket) {
      return true;
    }
    lock.lock();
    waiting++; // before taken is read, which is written before waiting is
    try {
      long left = timeoutNanos;
      while (taken < ticket) {
        if (left <= 0 || ended) {
          return false;
        }
        left = progress.awaitNanos(left);
      }
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return taken >= ticket;
    } finally {
      waiting--;
      lock.unlock();
    }
  }

  /** The device takes no more: nobody waits for it. */
  void end() {
    ended = true;
    tellWaiting();
  }

  /**
   * Hands the oldest store over, on the device's thread.
   *
   * @return whether there was one
   */
  boolean take(Taker taker) {
    long ticket = taken;
    int slot = (int) (ticket & CAPACITY - 1);
    if (sequences.getAcquire(slot) != ticket + 1) {
      return false;
    }
    long where = wheres[slot];
    long value = values[slot];
    sequences.setRelease(slot, ticket + CAPACITY);
    try {
      taker.store(
          (int) (where >>> SIZE_BITS) & (1 << BAR_BITS) - 1,
          where >>> SIZE_BITS + BAR_BITS,
          (int) where & (1 << SIZE_BITS) - 1,
          value);
    } finally {
      taken = ticket + 1;
      if (waiting != 0) {
        tellWaiting();
      }
    }
    return true;
  }

  private void tellWaiting() {
    lock.lock();
    try {
      progress.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Parks the device's thread, unless there is something to take or it was unparked. */
  void park() {
    parked = Thread.currentThread();
    int slot = (int) (taken & CAPACITY - 1);
    if (sequences.get(slot) != taken + 1) {
      LockSupport.park(this);
    }
    parked = null;
  }
}

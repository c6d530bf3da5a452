package dev.domus.kernel.passthrough;

import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The numbers of one domain's physical interrupts, and the lock of its devices. Numbers below
 * {@link #FIRST} are the lines of old interrupt controllers, which no domain has.
 *
 * <p>Lock order: event channels, this, what belongs to the bus. All methods under the lock.
 */
final class PirqTable {
  /** The lowest number. */
  static final int FIRST = 16;

  /** Numbers below this one; a function with the most vectors has room. */
  static final int LIMIT = 4096;

  private static final int FIRST_SIZE = 32;
  private static final Object RESERVED = new Object();

  private final ReentrantLock lock = new ReentrantLock();

  /** A {@link Pirq}, {@link #RESERVED} or null. */
  private Object[] entries = new Object[0];

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  static boolean inRange(int number) {
    return number >= FIRST && number < LIMIT;
  }

  /** What a number stands for, or null. */
  Pirq get(int number) {
    return number >= 0 && number < entries.length && entries[number] instanceof Pirq pirq
        ? pirq
        : null;
  }

  /** The lowest number that is free, or −1. */
  int lowestFree() {
    for (int number = FIRST; number < LIMIT; number++) {
      if (number >= entries.length || entries[number] == null) {
        return number;
      }
    }
    return -1;
  }

  /** Says whether a number can be given to an interrupt: it is free, or has been reserved. */
  boolean isAvailable(int number) {
    return inRange(number) && (number >= entries.length || !(entries[number] instanceof Pirq));
  }

  boolean isReserved(int number) {
    return number >= 0 && number < entries.length && entries[number] == RESERVED;
  }

  void reserve(int number) {
    put(number, RESERVED);
  }

  void put(Pirq pirq) {
    put(pirq.number(), pirq);
  }

  private void put(int number, Object entry) {
    if (number >= entries.length) {
      int size = Math.max(FIRST_SIZE, Integer.highestOneBit(number) * 2);
      entries = Arrays.copyOf(entries, size);
    }
    entries[number] = entry;
  }

  void free(int number) {
    entries[number] = null;
  }

  /** All numbers up to this one may stand for something. */
  int end() {
    return entries.length;
  }
}

package dev.domus.nvme;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What one worker has done, for the SMART log page: written by it alone, read by the admin worker.
 */
final class Counters {
  /** Read and Compare commands, and what they read, in 512 bytes. */
  final AtomicLong reads = new AtomicLong(), unitsRead = new AtomicLong();

  /** Write commands, and what they wrote, in 512 bytes. */
  final AtomicLong writes = new AtomicLong(), unitsWritten = new AtomicLong();

  /** Media and data integrity errors. */
  final AtomicLong mediaErrors = new AtomicLong();

  /** Adds, without the cost of an atomic addition: there is one writer. */
  static void add(AtomicLong to, long value) {
    to.setRelease(to.getPlain() + value);
  }

  /** All zero. */
  void clear() {
    reads.set(0);
    unitsRead.set(0);
    writes.set(0);
    unitsWritten.set(0);
    mediaErrors.set(0);
  }
}

package dev.domus.nvme;

import dev.domus.iommu.DmaPort;
import java.util.Arrays;

/**
 * A completion queue (4.1, 4.6). Its worker posts, software moves the head by the doorbell, on the
 * device's thread. The phase bit of an entry changes with each turn of the queue, so that software
 * sees which are new; therefore the half with the phase is written last, and in one piece.
 */
final class CompletionQueue {
  final int id;
  final long base;
  final int size;

  /** Interrupt vector; -1 if interrupts are not enabled. */
  final int vector;

  /** Whose completions go here. Replaced by the admin worker, never changed. */
  volatile SubmissionQueue[] submitters = {};

  private volatile int head;
  private volatile int tail;
  private int phase = 1;

  /** Completions that no interrupt has told of. The worker's. */
  int untold;

  /** When the first of them was posted, by {@link System#nanoTime}. */
  long untoldSince;

  CompletionQueue(int id, long base, int size, int vector) {
    this.id = id;
    this.base = base;
    this.size = size;
    this.vector = vector;
  }

  /**
   * A doorbell. Software cannot take more than there is.
   *
   * @return whether it makes sense; otherwise nothing has changed
   */
  boolean ring(int value) {
    int last = head;
    if (Integer.compareUnsigned(value, size) >= 0 || distance(last, value) > distance(last, tail)) {
      return false;
    }
    head = value;
    return true;
  }

  private int distance(int from, int to) {
    return to >= from ? to - from : to - from + size;
  }

  boolean hasRoomForTwo() {
    return distance(head, tail) < size - 2;
  }

  boolean isFull() {
    return distance(head, tail) == size - 1;
  }

  /**
   * Posts a completion; there has to be room.
   *
   * @return false if memory refused it
   */
  boolean post(DmaPort dma, int result, SubmissionQueue of, int commandId, int status) {
    int at = tail;
    long address = base + (long) at * CommandLayout.COMPLETION_BYTES;
    long half = CommandLayout.completionTail(of.head(), of.id, commandId, status, phase);
    if (at + 1 == size) {
      phase ^= 1;
      tail = 0;
    } else {
      tail = at + 1; // before software can see the entry, and ring for it
    }
    if (dma.storeLong(address, result & 0xffff_ffffL) != DmaPort.OK
        || dma.storeLong(address + Long.BYTES, half) != DmaPort.OK) {
      return false;
    }
    if (untold++ == 0) {
      untoldSince = System.nanoTime();
    }
    return true;
  }

  void add(SubmissionQueue queue) {
    SubmissionQueue[] more = Arrays.copyOf(submitters, submitters.length + 1);
    more[submitters.length] = queue;
    submitters = more;
  }

  void remove(SubmissionQueue queue) {
    submitters =
        Arrays.stream(submitters).filter(other -> other != queue).toArray(SubmissionQueue[]::new);
  }
}

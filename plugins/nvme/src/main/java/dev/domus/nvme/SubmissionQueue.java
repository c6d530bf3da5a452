package dev.domus.nvme;

/**
 * A submission queue (4.1). Software moves the tail, on the device's thread; the worker of its
 * completion queue moves the head. Indices are below the size.
 */
final class SubmissionQueue {
  final int id;
  final long base;
  final int size;
  final CompletionQueue completions;

  private volatile int tail;
  private volatile int head;

  /** It is to be deleted: what is left in it is aborted. Set by the admin worker. */
  volatile boolean deleting;

  /** Its worker will not look at it any more. */
  volatile boolean gone;

  SubmissionQueue(int id, long base, int size, CompletionQueue completions) {
    this.id = id;
    this.base = base;
    this.size = size;
    this.completions = completions;
  }

  /**
   * A doorbell. Software cannot submit more than there is room for, as far as the controller has
   * fetched.
   *
   * @return whether it makes sense; otherwise nothing has changed
   */
  boolean ring(int value) {
    int last = tail;
    if (Integer.compareUnsigned(value, size) >= 0
        || distance(last, value) > size - 1 - distance(head, last)) {
      return false;
    }
    tail = value;
    return true;
  }

  private int distance(int from, int to) {
    return to >= from ? to - from : to - from + size;
  }

  boolean isEmpty() {
    return head == tail;
  }

  int head() {
    return head;
  }

  /** Address of the command that is next. */
  long nextAddress() {
    return base + (long) head * CommandLayout.COMMAND_BYTES;
  }

  /** The next command has been fetched. */
  void fetched() {
    int next = head + 1;
    head = next == size ? 0 : next;
  }
}

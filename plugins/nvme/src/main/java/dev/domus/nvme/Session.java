package dev.domus.nvme;

import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The controller from one enable to the next reset: queues, features, events that wait. A reset
 * makes all of it garbage, so nothing of one session is ever taken for another's.
 *
 * <p>Queues are changed by the admin worker, and read by the device's thread and workers.
 */
final class Session {
  /** Number of I/O queue pairs that there can be. */
  final int pairs;

  final Features features;
  final AsyncEvents events = new AsyncEvents();
  private final AtomicReferenceArray<SubmissionQueue> submissions;
  private final AtomicReferenceArray<CompletionQueue> completions;

  /** Nothing more may be done for it. */
  volatile boolean over;

  /** Memory refused a queue's entry (4.1, CSTS.CFS): it stands still until it is reset. */
  volatile boolean fatal;

  Session(int pairs) {
    this.pairs = pairs;
    features = new Features(pairs);
    submissions = new AtomicReferenceArray<>(pairs + 1);
    completions = new AtomicReferenceArray<>(pairs + 1);
  }

  /** Whether work goes on. */
  boolean isOn() {
    return !over && !fatal;
  }

  /** The queue, or null. */
  SubmissionQueue submission(int id) {
    return id >= 0 && id <= pairs ? submissions.get(id) : null;
  }

  /** The queue, or null. */
  CompletionQueue completion(int id) {
    return id >= 0 && id <= pairs ? completions.get(id) : null;
  }

  void add(CompletionQueue queue) {
    completions.set(queue.id, queue);
  }

  void add(SubmissionQueue queue) {
    submissions.set(queue.id, queue);
    queue.completions.add(queue);
  }

  void remove(CompletionQueue queue) {
    completions.set(queue.id, null);
  }

  void remove(SubmissionQueue queue) {
    submissions.set(queue.id, null);
    queue.completions.remove(queue);
  }

  boolean hasIoQueues() {
    for (int id = 1; id <= pairs; id++) {
      if (completions.get(id) != null) {
        return true;
      }
    }
    return false;
  }
}

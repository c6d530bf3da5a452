package dev.domus.nvme;

import dev.domus.iommu.DmaPort;

/**
 * Asynchronous events (5.2): what happened, until a request of software's can tell of it, and the
 * requests that wait for something to happen. An event type that has been told is not told again
 * before software has read its log page; meanwhile one event of each kind is remembered, so there
 * is an end to what a guest can pile up. Events come from any thread; requests are the admin
 * worker's.
 */
final class AsyncEvents {
  /** Requests that may wait, less one: AERL. */
  static final int LIMIT = 3;

  /** Type of an event, bits 2:0 of the result. */
  static final int ERROR = 0, SMART = 1;

  /** Information of an error event. */
  static final int INVALID_DOORBELL = 0, INVALID_DOORBELL_VALUE = 1, PERSISTENT_ERROR = 3;

  /** Information of a SMART event. */
  static final int TEMPERATURE = 1;

  private static final int TYPES = 2, INFOS = 8;

  private final int[] requests = new int[LIMIT + 1];
  private int waiting;

  /** A bit an information, for each type. */
  private final int[] happened = new int[TYPES];

  private final boolean[] masked = new boolean[TYPES];

  /** It happened. */
  synchronized void report(int type, int info) {
    happened[type] |= 1 << info;
  }

  /** Software has read the log page of a type. */
  synchronized void read(int type) {
    masked[type] = false;
  }

  /** Keeps a request; false if there are too many. */
  synchronized boolean request(int commandId) {
    if (waiting > LIMIT) {
      return false;
    }
    requests[waiting++] = commandId;
    return true;
  }

  /** Takes a request back; false if it does not wait. */
  synchronized boolean abort(int commandId) {
    for (int i = 0; i < waiting; i++) {
      if (requests[i] == commandId) {
        requests[i] = requests[--waiting];
        return true;
      }
    }
    return false;
  }

  /** Tells what it can. Returns false if memory refused. */
  synchronized boolean tell(DmaPort dma, CompletionQueue to, SubmissionQueue admin) {
    for (int type = 0; type < TYPES; type++) {
      if (waiting != 0 && happened[type] != 0 && !masked[type] && !to.isFull()) {
        int info = Integer.numberOfTrailingZeros(happened[type]);
        happened[type] &= ~(1 << info % INFOS);
        masked[type] = true;
        int logPage = type == ERROR ? LogPages.ERROR : LogPages.SMART;
        int id = requests[0];
        requests[0] = requests[--waiting];
        if (!to.post(dma, type | info << 8 | logPage << 16, admin, id, Status.SUCCESS)) {
          return false;
        }
      }
    }
    return true;
  }
}

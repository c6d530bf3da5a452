package dev.domus.nvme;

/** A completion as software reads it: the status without "do not retry" and "more". */
record Completion(int result, int head, int queue, int commandId, int status, boolean retry) {
  static final int SUCCESS = 0;
}

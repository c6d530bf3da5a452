package dev.domus.xenstore.wire;

/** Types of messages (xen-pv-abi.md, 15.2). */
public final class MessageType {
  /** Request. */
  public static final int CONTROL = 0,
      DIRECTORY = 1,
      READ = 2,
      GET_PERMS = 3,
      WATCH = 4,
      UNWATCH = 5;

  /** Request. */
  public static final int TRANSACTION_START = 6, TRANSACTION_END = 7, INTRODUCE = 8, RELEASE = 9;

  /** Request. */
  public static final int GET_DOMAIN_PATH = 10, WRITE = 11, MKDIR = 12, RM = 13, SET_PERMS = 14;

  /** From the store only: something watched has changed. */
  public static final int WATCH_EVENT = 15;

  /** From the store only: the answer to a request that failed. */
  public static final int ERROR = 16;

  /** Request. */
  public static final int IS_DOMAIN_INTRODUCED = 17,
      RESUME = 18,
      SET_TARGET = 19,
      RESET_WATCHES = 21,
      DIRECTORY_PART = 22;

  private MessageType() {}
}

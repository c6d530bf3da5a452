package dev.domus.kernel.service;

/** Xenstore refused an operation. */
public final class StoreException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The wire name of the error. */
  private final String error;

  /**
   * Makes the exception.
   *
   * @param error the wire's error name, such as {@code ENOENT}
   * @param message operation and path
   */
  public StoreException(String error, String message) {
    super(message + " (" + error + ")");
    this.error = error;
  }

  /** The wire's error name, such as {@code ENOENT}. */
  public String error() {
    return error;
  }
}

package dev.domus.kernel.service;

import dev.domus.kernel.abi.Errno;

/**
 * A hypercall of a service domain was refused. Carries what the ABI would have returned, and a
 * message for people.
 */
public final class HypercallException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The error number, positive. */
  private final int errno;

  /**
   * Makes the exception.
   *
   * @param errno positive error number of the ABI
   * @param message what was refused and why, with the values; the name of the error is appended
   */
  public HypercallException(int errno, String message) {
    super(message + " (" + Errno.name(errno) + ")");
    this.errno = errno;
  }

  /** The positive error number. */
  public int errno() {
    return errno;
  }
}

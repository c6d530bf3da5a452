package dev.domus.kernel.model;

/** An operation of the model's cannot be carried out; what it has done so far is forgotten. */
final class Refused extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Positive. */
  final int errno;

  Refused(int errno) {
    super("errno=" + errno, null, false, false);
    this.errno = errno;
  }
}

package dev.domus.xenstore.ring;

/** A guest has broken the ring's protocol; its ring is to be shut. */
final class BadRingException extends Exception {
  private static final long serialVersionUID = 1L;

  /** The value for the ring's error field. */
  private final int error;

  BadRingException(int error, String message) {
    super(message);
    this.error = error;
  }

  int error() {
    return error;
  }
}

package dev.domus.console;

/** A guest's indices make no sense; its console is to be shut. */
final class BadRingException extends Exception {
  private static final long serialVersionUID = 1L;

  BadRingException(String message) {
    super(message);
  }
}

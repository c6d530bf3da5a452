package dev.domus.bench;

/** What the user gave cannot be used; the message is one line with thing, value and remedy. */
final class BadInputException extends Exception {
  private static final long serialVersionUID = 1L;

  BadInputException(String message) {
    super(message);
  }
}

package dev.domus.net;

/**
 * What an interface is to be plugged into cannot be had; the message names thing, value and remedy.
 */
public final class UplinkException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Makes the exception with a message for people. */
  public UplinkException(String message) {
    super(message);
  }
}

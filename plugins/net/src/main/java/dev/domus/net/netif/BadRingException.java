package dev.domus.net.netif;

/** What a guest has written to a ring cannot be; the interface is to be cut off. */
public final class BadRingException extends Exception {
  private static final long serialVersionUID = 1L;

  BadRingException(String message) {
    super(message);
  }
}

package dev.domus.memory;

/** Thrown by every access through a {@link Window} that was revoked or closed. */
public final class WindowRevokedException extends IllegalStateException {
  private static final long serialVersionUID = 1;

  WindowRevokedException(long bytes) {
    super("this window on guest memory was revoked or closed: size=" + bytes);
  }
}

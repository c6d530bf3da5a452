package dev.domus.kernel.device;

/** A device cannot be made or used as asked; the message is for the operator. */
public final class DeviceException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Names the thing, the value and the remedy. */
  public DeviceException(String message) {
    super(message);
  }

  /** As {@link #DeviceException(String)}, with what the host said. */
  public DeviceException(String message, Throwable cause) {
    super(message, cause);
  }
}

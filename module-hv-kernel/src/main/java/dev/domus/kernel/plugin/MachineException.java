package dev.domus.kernel.plugin;

/**
 * The machine could not be started; the message says what, with which value, and what would help.
 */
public final class MachineException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Makes the exception with a message for people. */
  public MachineException(String message) {
    super(message);
  }
}

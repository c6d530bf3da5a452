package dev.domus.kernel.plugin;

/**
 * What the user gave to a {@link Subcommand} cannot be used. The message is one line that names the
 * thing, the value and the remedy; the command line prints it as it is, and ends with status 2.
 */
public final class UsageException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Makes the exception with a message for people. */
  public UsageException(String message) {
    super(message);
  }
}

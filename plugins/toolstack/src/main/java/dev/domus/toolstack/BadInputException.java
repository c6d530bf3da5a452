package dev.domus.toolstack;

/**
 * What the user gave cannot be used: a file, an option, a value. The message is one line that names
 * the thing, the value and the remedy; it is printed as it is, without a stack trace, and ends the
 * process with status 2.
 *
 * <p>Texts that come out of images and file names are shown as they are only where they are
 * printable, so that a hostile image can neither break the line nor send control sequences to the
 * terminal.
 */
public final class BadInputException extends Exception {
  private static final long serialVersionUID = 1L;

  /** How much of a text from outside a message shows. */
  private static final int SHOWN = 60;

  /**
   * Makes the exception.
   *
   * @param message thing, value and remedy; control characters in it are replaced
   */
  public BadInputException(String message) {
    super(printable(message));
  }

  /** A text from outside in quotation marks, cut to a bearable length. */
  public static String quote(String text) {
    String shown = text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "...";
    return '"' + printable(shown) + '"';
  }

  private static String printable(String text) {
    StringBuilder shown = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean control = Character.isISOControl(c) || c == '\u2028' || c == '\u2029';
      shown.append(control ? '?' : c);
    }
    return shown.toString();
  }
}

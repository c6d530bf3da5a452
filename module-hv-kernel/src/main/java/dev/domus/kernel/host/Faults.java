package dev.domus.kernel.host;

/** Throwables of other people's code, in one line for people. */
public final class Faults {
  /** Longest message that is passed on: some, such as those of the verifier, run to pages. */
  private static final int MAX_CHARS = 300;

  private Faults() {}

  /**
   * The innermost cause, as {@code type: message} without line breaks. The outer ones are wrappers
   * of reflection and {@code ServiceLoader}, which say nothing that the caller does not know.
   */
  public static String inOneLine(Throwable fault) {
    Throwable root = root(fault);
    String text = message(root);
    String type = root.getClass().getName();
    return text.isEmpty() ? type : type + ": " + text;
  }

  /** The innermost cause's message alone, or its type if it has none. */
  static String reason(Throwable fault) {
    String text = message(root(fault));
    return text.isEmpty() ? root(fault).getClass().getName() : text;
  }

  /** Where the innermost cause was thrown, as {@code class.method(file:line)}, or empty. */
  public static String place(Throwable fault) {
    StackTraceElement[] trace = root(fault).getStackTrace();
    return trace.length == 0 ? "" : trace[0].toString();
  }

  /**
   * Rethrows what no plugin can be blamed for: the JVM is out of memory or broken. A stack overflow
   * is the fault of who recurses.
   */
  public static void rethrowIfOurs(Throwable fault) {
    if (root(fault) instanceof VirtualMachineError broken
        && !(broken instanceof StackOverflowError)) {
      throw broken;
    }
  }

  private static Throwable root(Throwable fault) {
    Throwable root = fault;
    // Bounded: a chain of causes can be made circular.
    for (int depth = 0; depth < 100 && root.getCause() != null; depth++) {
      root = root.getCause();
    }
    return root;
  }

  private static String message(Throwable fault) {
    String text;
    try {
      text = fault.getMessage();
    } catch (RuntimeException unprintable) { // an exception class of a plugin may override it
      text = null;
    }
    if (text == null) {
      return "";
    }
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < text.length() && line.length() < MAX_CHARS; i++) {
      char c = text.charAt(i);
      boolean blank = c <= ' ' || Character.isISOControl(c);
      if (!blank) {
        line.append(c);
      } else if (!line.isEmpty() && line.charAt(line.length() - 1) != ' ') {
        line.append(' ');
      }
    }
    return line.toString().strip();
  }
}

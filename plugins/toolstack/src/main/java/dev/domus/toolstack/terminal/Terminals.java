package dev.domus.toolstack.terminal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Which of the process's streams are terminals, as far as the system tells. */
public final class Terminals {
  private Terminals() {}

  /** Whether standard output is surely one. */
  public static boolean isOutput() {
    return isTerminal(1);
  }

  /** Whether standard error is surely one. */
  public static boolean isError() {
    return isTerminal(2);
  }

  private static boolean isTerminal(int descriptor) {
    try {
      Path target = Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor));
      return target.startsWith("/dev/pts") || target.toString().matches("/dev/(tty.*|console)");
    } catch (IOException | UnsupportedOperationException e) {
      return false; // no Linux: lines are right everywhere
    }
  }
}

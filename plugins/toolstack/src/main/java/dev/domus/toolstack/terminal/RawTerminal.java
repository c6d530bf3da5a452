package dev.domus.toolstack.terminal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Standard input as a raw terminal: each key goes to the guest as it is typed, Ctrl-C too, and the
 * guest does the echo. Output processing stays on, since guests end lines with a bare LF as often
 * as not.
 *
 * <p>Set through {@code stty} in a child process that inherits standard input. That is what JLine
 * does too where it may not call native code, and the plugin needs nothing else of JLine. A
 * shutdown hook restores the settings, so that they come back also on SIGINT and SIGTERM and when
 * the JVM ends for reasons of its own; only SIGKILL leaves a raw terminal behind ({@code stty sane}
 * helps).
 */
final class RawTerminal implements AutoCloseable {
  /**
   * How long stty may take. A terminal belongs to the foreground: a background process that sets it
   * is stopped by SIGTTOU and would be waited for for ever.
   */
  private static final long STTY_SECONDS = 2;

  private static final Path STANDARD_INPUT = Path.of("/proc/self/fd/0");

  private final String saved;
  private final Thread hook;
  private boolean restored;

  private RawTerminal(String saved) {
    this.saved = saved;
    hook = new Thread(this::restore, "restore-terminal");
  }

  /** Makes standard input raw, if it is a terminal and can be set. */
  static Optional<RawTerminal> enter() {
    if (isSurelyNoTerminal()) {
      return Optional.empty();
    }
    Optional<String> saved = stty("-g");
    if (saved.isEmpty() || saved.get().isBlank()) {
      return Optional.empty();
    }
    RawTerminal terminal = new RawTerminal(saved.get().strip());
    Runtime.getRuntime()
        .addShutdownHook(terminal.hook); // before the change, so that no signal falls between
    if (stty(
            "-icanon", "-echo", "-isig", "-iexten", "-icrnl", "-inlcr", "-ixon", "min", "1", "time",
            "0")
        .isEmpty()) {
      terminal.close();
      return Optional.empty();
    }
    return Optional.of(terminal);
  }

  /**
   * Where the system tells, this spares a run from a pipe the tenth of a second that the first
   * child process costs.
   */
  private static boolean isSurelyNoTerminal() {
    try {
      return !Files.readSymbolicLink(STANDARD_INPUT).startsWith("/dev");
    } catch (IOException | UnsupportedOperationException e) {
      return false; // no Linux: stty will know
    }
  }

  /**
   * Runs stty on standard input; empty if it fails, as it does where standard input is no terminal.
   */
  private static Optional<String> stty(String... arguments) {
    List<String> command = new ArrayList<>(List.of("stty"));
    command.addAll(List.of(arguments));
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectInput(ProcessBuilder.Redirect.INHERIT)
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      if (!process.waitFor(STTY_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return Optional.empty();
      }
      String output =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
      return process.exitValue() == 0 ? Optional.of(output) : Optional.empty();
    } catch (IOException e) {
      return Optional.empty(); // no stty on this system
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  private synchronized void restore() {
    if (!restored) {
      restored = true;
      stty(saved);
    }
  }

  @Override
  public void close() {
    restore();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The JVM is going down, and the hook has run or is running: nothing is left to do.
    }
  }
}

package dev.domus.toolstack.demo;

import dev.domus.kernel.service.ConsoleService;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Cuts a guest's output into lines, so that two consoles can share a screen. Called by one thread
 * at a time, as the console service does.
 */
final class LineConsole implements ConsoleService.Output {
  /** A guest that never ends its line does not fill our memory: it is cut here. */
  private static final int LONGEST = 512;

  private final Consumer<String> lines;
  private final StringBuilder line = new StringBuilder();

  LineConsole(Consumer<String> lines) {
    this.lines = lines;
  }

  @Override
  public void write(byte[] bytes, int offset, int length) {
    for (char c : new String(bytes, offset, length, StandardCharsets.ISO_8859_1).toCharArray()) {
      if (c == '\n' || line.length() == LONGEST) {
        flush();
      } else if (!Character.isISOControl(c)) {
        line.append(c);
      }
    }
  }

  private void flush() {
    lines.accept(line.toString());
    line.setLength(0);
  }
}

package dev.domus.toolstack.demo;

import java.io.PrintWriter;
import java.util.List;

/**
 * Where the demo shows things: whole lines from several threads, in colour where that is wanted.
 * Thread-safe.
 *
 * @param out where to
 * @param colour whether to send ANSI sequences
 */
record Stage(PrintWriter out, boolean colour) {
  private static final String BOLD = "\033[1m";

  private static final String DIM = "\033[2m";

  private static final String RED = "\033[31m";

  private static final List<String> GUEST_COLOURS = List.of("\033[36m", "\033[33m");

  private static final String RESET = "\033[0m";

  synchronized void line(String text) {
    out.println(text);
    out.flush();
  }

  void heading(String text) {
    line("");
    line(styled(BOLD, text));
  }

  void remark(String text) {
    line(styled(DIM, text));
  }

  /** Something that did not come out as it should. */
  void failure(String text) {
    line(styled(RED, "NOT AS EXPECTED: " + text));
  }

  /** A line that a guest has printed. */
  void guestLine(int guest, String name, String text) {
    line(styled(GUEST_COLOURS.get(guest % GUEST_COLOURS.size()), "[" + name + "]") + " " + text);
  }

  private String styled(String style, String text) {
    return colour ? style + text + RESET : text;
  }
}

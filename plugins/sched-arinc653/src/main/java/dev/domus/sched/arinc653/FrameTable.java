package dev.domus.sched.arinc653;

import dev.domus.kernel.sched.Decision;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A major frame: for each pCPU, who has it when.
 *
 * <pre>
 *   table    = row { "/" row }                                a row for each pCPU, all equally long
 *   row      = window { "," window }                          one after the other
 *   window   = ( "d" domid "v" vcpu | "idle" ) ":" length ( "us" | "ms" )
 *
 *   d1v0:10ms,d2v0:5ms,idle:5ms / d3v0:20ms                   two pCPUs, 20 ms
 * </pre>
 *
 * @param frameNanos how long it is
 * @param rows one a pCPU, each with windows that fill the frame, in order
 */
record FrameTable(long frameNanos, List<List<Window>> rows) {
  /** For messages and listings. */
  static final String FORM = "d1v0:10ms,d2v0:5ms,idle:5ms / …";

  private static final Pattern WINDOW =
      Pattern.compile("(?:d(\\d{1,5})v(\\d{1,4})|idle):(\\d{1,9})(us|ms)");
  private static final long LONGEST_FRAME_NANOS = 60_000_000_000L;

  /**
   * A window.
   *
   * @param domid whose, or {@link #IDLE}
   * @param vcpu which of its vCPUs
   * @param fromNanos where it begins in the frame
   * @param toNanos where it ends
   */
  record Window(int domid, int vcpu, long fromNanos, long toNanos) {
    static final int IDLE = -1;

    boolean isIdle() {
      return domid == IDLE;
    }

    private boolean clashesWith(Window other) {
      return !isIdle()
          && domid == other.domid
          && vcpu == other.vcpu
          && fromNanos < other.toNanos
          && other.fromNanos < toNanos;
    }

    @Override
    public String toString() {
      return isIdle() ? "idle" : "d" + domid + "v" + vcpu;
    }
  }

  /**
   * Reads a table.
   *
   * @throws IllegalArgumentException if it is none, with a message for the user
   */
  static FrameTable parse(String text) {
    if (text.isBlank()) {
      throw new IllegalArgumentException(
          "arinc653 needs a frame table, and none was given: set parameter schedule, such as "
              + "schedule=d1v0:10ms,d2v0:5ms,idle:5ms with a row for each pCPU, divided by /");
    }
    List<List<Window>> rows = new ArrayList<>();
    for (String row : text.split("/", -1)) {
      rows.add(row(row.strip()));
    }
    long frame = rows.getFirst().getLast().toNanos;
    for (int i = 0; i < rows.size(); i++) {
      if (rows.get(i).getLast().toNanos != frame) {
        throw new IllegalArgumentException(
            "all rows of a schedule must be equally long: row 0 is %d us, row %d is %d us"
                .formatted(frame / 1_000, i, rows.get(i).getLast().toNanos / 1_000));
      }
      for (int j = 0; j < i; j++) {
        refuseClashes(rows.get(i), rows.get(j));
      }
    }
    if (frame > LONGEST_FRAME_NANOS) {
      throw new IllegalArgumentException(
          "a schedule must not be longer than %d s: length=%d ms"
              .formatted(LONGEST_FRAME_NANOS / 1_000_000_000, frame / 1_000_000));
    }
    return new FrameTable(frame, List.copyOf(rows));
  }

  private static List<Window> row(String text) {
    List<Window> windows = new ArrayList<>();
    long at = 0;
    for (String part : text.split(",", -1)) {
      Matcher matcher = WINDOW.matcher(part.strip());
      if (!matcher.matches()) {
        throw new IllegalArgumentException(
            "a window of a schedule looks like d1v0:10ms, d1v0:500us or idle:5ms: window="
                + part.strip());
      }
      boolean idle = matcher.group(1) == null;
      long length =
          Long.parseLong(matcher.group(3)) * (matcher.group(4).equals("us") ? 1_000 : 1_000_000);
      if (length < Decision.MIN_SLICE_NANOS) {
        throw new IllegalArgumentException(
            "a window must be at least %d us long: window=%s"
                .formatted(Decision.MIN_SLICE_NANOS / 1_000, part.strip()));
      }
      windows.add(
          new Window(
              idle ? Window.IDLE : Integer.parseInt(matcher.group(1)),
              idle ? 0 : Integer.parseInt(matcher.group(2)),
              at,
              at + length));
      at += length;
    }
    return List.copyOf(windows);
  }

  private static void refuseClashes(List<Window> row, List<Window> other) {
    for (Window window : row) {
      for (Window that : other) {
        if (window.clashesWith(that)) {
          throw new IllegalArgumentException(
              "a schedule must not run a vCPU on two pCPUs at once: vcpu=%s at=%d us"
                  .formatted(window, Math.max(window.fromNanos, that.fromNanos) / 1_000));
        }
      }
    }
  }
}

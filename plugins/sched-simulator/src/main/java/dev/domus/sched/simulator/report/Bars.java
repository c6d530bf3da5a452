package dev.domus.sched.simulator.report;

import java.util.List;
import java.util.Locale;

/** Horizontal bars, with their names to the left and their values to the right, as SVG text. */
final class Bars {
  private static final int WIDTH = 720;
  private static final int LEFT = 190, RIGHT = 110, ROW = 24, GAP = 10, TOP = 6;

  /**
   * A bar.
   *
   * @param group what it is about; bars of a group stand together
   * @param series whose it is
   * @param whisker a second value, drawn as a line to there; NaN for none
   * @param text the value in words
   */
  record Bar(String group, int series, String name, double value, double whisker, String text) {}

  private Bars() {}

  /** Draws them in their order. */
  static String svg(String title, List<Bar> bars) {
    double most =
        bars.stream()
            .mapToDouble(
                bar -> Math.max(bar.value(), Double.isNaN(bar.whisker()) ? 0 : bar.whisker()))
            .max()
            .orElse(0);
    StringBuilder rows = new StringBuilder();
    int y = TOP;
    String group = "";
    for (Bar bar : bars) {
      if (!bar.group().equals(group)) {
        group = bar.group();
        y += y == TOP ? 0 : GAP;
        rows.append(
            format(
                "<text class=\"group\" x=\"4\" y=\"%d\">%s</text>%n", y + 16, Html.escape(group)));
        y += ROW;
      }
      rows.append(row(bar, y, most));
      y += ROW;
    }
    return format(
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%n",
            WIDTH, y + TOP, Html.escape(title))
        + rows
        + "</svg>\n";
  }

  private static String row(Bar bar, int y, double most) {
    double scale = most == 0 ? 0 : (WIDTH - LEFT - RIGHT) / most;
    double end = LEFT + bar.value() * scale;
    double textAt = end;
    StringBuilder row =
        new StringBuilder(
            format(
                "<g class=\"mark s%d\"><text class=\"name\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>",
                bar.series() % Plot.LOOKS, LEFT - 10, y + 16, Html.escape(bar.name())));
    row.append(
        format(
            "<rect class=\"bar\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
            LEFT, y + 4, Math.max(1, end - LEFT), ROW - 8));
    if (!Double.isNaN(bar.whisker())) {
      double to = LEFT + bar.whisker() * scale;
      textAt = Math.max(end, to);
      row.append(
          format(
              "<path class=\"whisker\" d=\"M%.1f %d H%.1f M%.1f %d v10\"/>",
              end, y + ROW / 2, to, to, y + ROW / 2 - 5));
    }
    row.append(
        format(
            "<text class=\"value\" x=\"%.1f\" y=\"%d\">%s</text></g>%n",
            textAt + 8, y + 16, Html.escape(bar.text())));
    return row.toString();
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}

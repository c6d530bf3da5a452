package dev.domus.sched.simulator.report;

import java.util.List;
import java.util.Locale;

/**
 * A plot as SVG text: axes with titles, grid, and marks that are put in by values. Colours, dashes
 * and fonts are classes of the page's style sheet; series <em>n</em> is class {@code s}<em>n</em>.
 */
final class Plot {
  /** How many series have a look of their own; more than these repeat. */
  static final int LOOKS = 8;

  private static final int WIDTH = 720;
  private static final int HEIGHT = 340;
  private static final int LEFT = 76, RIGHT = 36, TOP = 14, BOTTOM = 58;

  private final StringBuilder svg = new StringBuilder();
  private final Scale x;
  private final Scale y;

  /**
   * Axes.
   *
   * @param title what it shows, for those who cannot see it
   * @param xTitle with its unit
   * @param yTitle with its unit
   */
  Plot(String title, Scale x, String xTitle, Scale y, String yTitle) {
    this.x = x;
    this.y = y;
    append(
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">%n",
        WIDTH, HEIGHT, Html.escape(title));
    for (Scale.Tick tick : y.ticks()) {
      double at = down(y.position(tick.value()));
      append(
          "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>%n",
          LEFT, WIDTH - RIGHT, at, at);
      append(
          "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
          LEFT - 8, at + 4, Html.escape(tick.label()));
    }
    for (Scale.Tick tick : x.ticks()) {
      double at = across(x.position(tick.value()));
      append(
          "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>%n",
          at, at, TOP, HEIGHT - BOTTOM);
      append(
          "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>%n",
          at, HEIGHT - BOTTOM + 18, Html.escape(tick.label()));
    }
    append(
        "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>%n",
        LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    append(
        "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>%n",
        LEFT, LEFT, TOP, HEIGHT - BOTTOM);
    append(
        "<text class=\"title\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>%n",
        across(0.5), HEIGHT - 14, Html.escape(xTitle));
    append(
        "<text class=\"title\" transform=\"translate(16 %.1f) rotate(-90)\" text-anchor=\"middle\">%s</text>%n",
        down(0.5), Html.escape(yTitle));
  }

  private static double across(double position) {
    return LEFT + position * (WIDTH - LEFT - RIGHT);
  }

  private static double down(double position) {
    return HEIGHT - BOTTOM - position * (HEIGHT - TOP - BOTTOM);
  }

  /** A line through points of x and y. */
  void line(String look, List<double[]> points) {
    StringBuilder coordinates = new StringBuilder();
    for (double[] point : points) {
      coordinates.append(
          String.format(
              Locale.ROOT, "%.1f,%.1f ", across(x.position(point[0])), down(y.position(point[1]))));
    }
    append("<polyline class=\"%s\" points=\"%s\"/>%n", look, coordinates.toString().strip());
  }

  /** A short line across: what a point beside it should be. */
  void level(double at, double value, int shift) {
    double px = across(x.position(at)) + shift;
    append(
        "<line class=\"due\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>%n",
        px - 9, px + 9, down(y.position(value)), down(y.position(value)));
  }

  /**
   * A point with the range that it is the middle of.
   *
   * @param shift pixels to the side, so that points at one place can be told apart
   * @param note shown when it is pointed at
   */
  void point(
      int series, double at, double value, double least, double most, int shift, String note) {
    double px = across(x.position(at)) + shift;
    append("<g class=\"mark s%d\"><title>%s</title>", series % LOOKS, Html.escape(note));
    append(
        "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
        px, px, down(y.position(least)), down(y.position(most)));
    double py = down(y.position(value));
    append("%s</g>%n", shape(series, px, py));
  }

  /** A sign for each series, for those who do not tell colours apart. */
  static String shape(int series, double px, double py) {
    return switch (series % 4) {
      case 0 -> String.format(Locale.ROOT, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\"/>", px, py);
      case 1 ->
          String.format(
              Locale.ROOT,
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\"/>",
              px - 4,
              py - 4);
      case 2 -> String.format(Locale.ROOT, "<path d=\"M%.1f %.1f l5 9 h-10 z\"/>", px, py - 5.5);
      default ->
          String.format(
              Locale.ROOT,
              "<path d=\"M%.1f %.1f l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z\"/>",
              px,
              py - 5.5);
    };
  }

  /** The plot. */
  String svg() {
    return svg + "</svg>\n";
  }

  private void append(String format, Object... values) {
    svg.append(String.format(Locale.ROOT, format, values));
  }
}

package dev.domus.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Drawings in SVG with a logarithmic axis of nanoseconds: ratios, which are what can be compared,
 * are distances there.
 */
final class LogPlot {
  private static final int WIDTH = 760, LEFT = 300, RIGHT = 20, ROW = 22, TOP = 24;
  private static final int CURVE_HEIGHT = 300, CURVE_LEFT = 70, LEGEND = 300;
  private static final String[] COLOURS = {
    "#1f6feb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#a16207", "#475569"
  };

  private LogPlot() {}

  /**
   * A row of the distribution.
   *
   * @param label what it is
   * @param sorted its values, ascending
   * @param floor whether it is a lower bound
   */
  record Row(String label, double[] sorted, boolean floor) {}

  /**
   * A line of a curve.
   *
   * @param label what it is
   * @param x places, ascending, above 0
   * @param y values, above 0
   * @param floor whether it is a lower bound
   */
  record Line(String label, double[] x, double[] y, boolean floor) {}

  /** Each row's values as ticks, its middle four fifths as a bar, its median as a mark. */
  static String distribution(List<Row> rows) {
    double least = rows.stream().mapToDouble(row -> row.sorted()[0]).min().orElse(1);
    double most =
        rows.stream().mapToDouble(row -> row.sorted()[row.sorted().length - 1]).max().orElse(1);
    Axis axis = new Axis(least, most, LEFT, WIDTH - RIGHT);
    int height = TOP + rows.size() * ROW + 10;
    StringBuilder svg = open(WIDTH, height);
    for (double tick : axis.ticks()) {
      double x = axis.at(tick);
      svg.append(line(x, TOP - 6, x, height - 8, "#ddd", ""));
      svg.append(text(x, TOP - 10, "middle", Tables.number(tick) + " ns"));
    }
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.get(i);
      double y = TOP + i * ROW + ROW / 2.0;
      String colour = row.floor() ? "#888" : COLOURS[0];
      double[] values = row.sorted();
      double low = axis.at(values[values.length / 10]);
      double high = axis.at(values[values.length - 1 - values.length / 10]);
      double median = axis.at(values[values.length / 2]);
      svg.append(text(LEFT - 8, y + 4, "end", row.label()));
      for (double value : values) {
        svg.append(line(axis.at(value), y - 6, axis.at(value), y + 6, colour, " opacity=\"0.25\""));
      }
      svg.append(
          String.format(
              Locale.ROOT,
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"6\" fill=\"%s\" opacity=\"0.5\"/>",
              low,
              y - 3,
              Math.max(1, high - low),
              colour));
      svg.append(
          String.format(
              Locale.ROOT,
              "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>%s ns</title></circle>",
              median,
              y,
              colour,
              Tables.number(values[values.length / 2])));
    }
    return svg.append("</svg>").toString();
  }

  /** Cost against a quantity, both logarithmic. */
  static String curve(List<Line> lines, String quantity) {
    Axis across = axis(lines.stream().map(Line::x).toList(), CURVE_LEFT, WIDTH - LEGEND);
    Axis up = axis(lines.stream().map(Line::y).toList(), CURVE_HEIGHT - 40, 16);
    StringBuilder svg = open(WIDTH, Math.max(CURVE_HEIGHT, lines.size() * 18 + 30));
    for (double tick : across.ticks()) {
      svg.append(line(across.at(tick), 16, across.at(tick), CURVE_HEIGHT - 40, "#ddd", ""));
      svg.append(
          text(
              across.at(tick),
              CURVE_HEIGHT - 24,
              "middle",
              Tables.number(tick).replaceAll("\\.0+$", "")));
    }
    for (double tick : up.ticks()) {
      svg.append(line(CURVE_LEFT, up.at(tick), WIDTH - LEGEND, up.at(tick), "#ddd", ""));
      svg.append(text(CURVE_LEFT - 6, up.at(tick) + 4, "end", Tables.number(tick) + " ns"));
    }
    svg.append(text((CURVE_LEFT + WIDTH - LEGEND) / 2.0, CURVE_HEIGHT - 6, "middle", quantity));
    for (int i = 0; i < lines.size(); i++) {
      Line each = lines.get(i);
      String colour = each.floor() ? "#888" : COLOURS[i % COLOURS.length];
      StringBuilder points = new StringBuilder();
      for (int j = 0; j < each.x().length; j++) {
        points.append(
            String.format(Locale.ROOT, "%.1f,%.1f ", across.at(each.x()[j]), up.at(each.y()[j])));
      }
      String dash = each.floor() ? " stroke-dasharray=\"5 4\"" : "";
      svg.append(
          "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s points=\"%s\"/>"
              .formatted(colour, dash, points.toString().strip()));
      double y = 24 + i * 18;
      svg.append(
          line(
              WIDTH - LEGEND + 12,
              y - 4,
              WIDTH - LEGEND + 36,
              y - 4,
              colour,
              dash + " stroke-width=\"2\""));
      svg.append(text(WIDTH - LEGEND + 42, y, "start", each.label()));
    }
    return svg.append("</svg>").toString();
  }

  private static Axis axis(List<double[]> values, double from, double to) {
    double least = Double.MAX_VALUE;
    double most = 0;
    for (double[] some : values) {
      for (double value : some) {
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
    return new Axis(least, most, from, to);
  }

  private static StringBuilder open(int width, int height) {
    return new StringBuilder(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">"
            .formatted(width, height, width, height));
  }

  private static String line(
      double x1, double y1, double x2, double y2, String colour, String more) {
    return String.format(
        Locale.ROOT,
        "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"%s/>",
        x1,
        y1,
        x2,
        y2,
        colour,
        more);
  }

  private static String text(double x, double y, String anchor, String text) {
    return String.format(
        Locale.ROOT,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>",
        x,
        y,
        anchor,
        HtmlReport.escape(text));
  }

  /** A logarithmic axis with ticks at 1, 2 and 5 times powers of ten, or powers of ten if wide. */
  private static final class Axis {
    private static final double MARGIN = 1.15;
    private static final double WIDE = 300;

    private final double least;
    private final double most;
    private final double from;
    private final double to;

    Axis(double least, double most, double from, double to) {
      this.least = least / MARGIN;
      this.most = most * MARGIN;
      this.from = from;
      this.to = to;
    }

    double at(double value) {
      return from + (to - from) * Math.log(value / least) / Math.log(most / least);
    }

    List<Double> ticks() {
      List<Double> ticks = new ArrayList<>();
      double[] steps = most / least > WIDE ? new double[] {1} : new double[] {1, 2, 5};
      for (double power = Math.pow(10, Math.floor(Math.log10(least))); power <= most; power *= 10) {
        for (double step : steps) {
          if (power * step >= least && power * step <= most) {
            ticks.add(power * step);
          }
        }
      }
      return ticks;
    }
  }
}

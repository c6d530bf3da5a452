package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.workload.Durations;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * One axis of a plot: where a value is, and which values are named.
 *
 * <p>Positions go from 0 to 1; values outside the range are put on its edge.
 */
sealed interface Scale {
  /** A named value. */
  record Tick(double value, String label) {}

  double position(double value);

  List<Tick> ticks();

  /** Equal steps, from 0 on. */
  record Linear(double most, String unit) implements Scale {
    @Override
    public double position(double value) {
      return Math.clamp(value / most, 0, 1);
    }

    /** The least round number that is not less. */
    static double roundUp(double value) {
      if (value <= 0) {
        return 1;
      }
      double power = Math.pow(10, Math.floor(Math.log10(value)));
      for (double factor : new double[] {1, 2, 2.5, 5, 10}) {
        if (factor * power >= value * (1 - 1e-9)) {
          return factor * power;
        }
      }
      return 10 * power;
    }

    @Override
    public List<Tick> ticks() {
      List<Tick> ticks = new ArrayList<>();
      for (int i = 0; i <= 4; i++) {
        double value = most * i / 4;
        ticks.add(new Tick(value, plain(value) + unit));
      }
      return ticks;
    }
  }

  /** Equal factors, in whole decades. */
  record Decades(int first, int last, boolean isTime) implements Scale {
    /** As many decades as some values need. */
    static Decades around(DoubleStream values, boolean isTime) {
      double[] positive = values.filter(value -> value > 0).toArray();
      if (positive.length == 0) {
        return new Decades(0, 1, isTime);
      }
      double least = DoubleStream.of(positive).min().getAsDouble();
      double most = DoubleStream.of(positive).max().getAsDouble();
      int first = (int) Math.floor(Math.log10(least) + 1e-9);
      int last = (int) Math.ceil(Math.log10(most) - 1e-9);
      return new Decades(first, Math.max(last, first + 1), isTime);
    }

    @Override
    public double position(double value) {
      double log = Math.log10(Math.max(value, Double.MIN_NORMAL));
      return Math.clamp((log - first) / (last - first), 0, 1);
    }

    @Override
    public List<Tick> ticks() {
      List<Tick> ticks = new ArrayList<>();
      for (int decade = first; decade <= last; decade++) {
        double value = Math.pow(10, decade);
        ticks.add(new Tick(value, isTime ? time(decade) : plain(value) + " %"));
      }
      return ticks;
    }

    private static String time(int decade) {
      return Durations.show(Math.pow(10, decade)).replaceAll("\\.0+ ", " ");
    }
  }

  /** Equal factors between given values, each of which is named. */
  record Named(double least, double most, List<Tick> ticks) implements Scale {
    @Override
    public double position(double value) {
      return Math.clamp(Math.log(value / least) / Math.log(most / least), 0, 1);
    }
  }

  /**
   * Parts of a whole, where each further nine has as much room as the first: a cumulative
   * distribution whose tail can be read.
   */
  record Nines(int count) implements Scale {
    @Override
    public double position(double part) {
      return part >= 1 ? 1 : Math.clamp(-Math.log10(1 - part) / count, 0, 1);
    }

    @Override
    public List<Tick> ticks() {
      List<Tick> ticks = new ArrayList<>();
      ticks.add(new Tick(0, "0 %"));
      ticks.add(new Tick(0.5, "50 %"));
      for (int nines = 1; nines <= count; nines++) {
        double part = 1 - Math.pow(10, -nines);
        int decimals = Math.max(0, nines - 2);
        ticks.add(new Tick(part, String.format(Locale.ROOT, "%." + decimals + "f %%", 100 * part)));
      }
      return ticks;
    }
  }

  private static String plain(double value) {
    if (value == 0) {
      return "0";
    }
    String text =
        value >= 100 || value == Math.rint(value)
            ? String.format(Locale.ROOT, "%,.0f", value)
            : String.format(Locale.ROOT, value >= 1 ? "%.1f" : "%.4f", value);
    return text.contains(".") ? text.replaceFirst("\\.?0+$", "") : text;
  }
}

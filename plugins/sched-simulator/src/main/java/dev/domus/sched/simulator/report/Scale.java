package dev.domus.sched.simulator.report;

import dev.domus.sched.simulator.workload.Durations;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
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

  /** Times, in whole decades. */
  record Decades(int first, int last) implements Scale {
    /** As many decades as some values need. */
    static Decades around(DoubleStream values) {
      DoubleSummaryStatistics range = values.filter(value -> value > 0).summaryStatistics();
      if (range.getCount() == 0) {
        return new Decades(0, 1);
      }
      int first = (int) Math.floor(Math.log10(range.getMin()) + 1e-9);
      int last = (int) Math.ceil(Math.log10(range.getMax()) - 1e-9);
      return new Decades(first, Math.max(last, first + 1));
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
        ticks.add(new Tick(value, Durations.show(value).replaceAll("\\.0+ ", " ")));
      }
      return ticks;
    }
  }

  /** Per cent, by equal factors from one of 1, 2, 5, 10, 20 … to another. */
  record Steps(int first, int last) implements Scale {
    private static final double[] IN_A_DECADE = {1, 2, 5};

    /** As many steps as some values need. */
    static Steps around(DoubleStream values) {
      DoubleSummaryStatistics range = values.filter(value -> value > 0).summaryStatistics();
      if (range.getCount() == 0) {
        return new Steps(0, 6);
      }
      int first = 3 * (int) Math.floor(Math.log10(range.getMin()));
      while (valueOf(first + 1) <= range.getMin()) {
        first++;
      }
      int last = first + 1;
      while (valueOf(last) < range.getMax()) {
        last++;
      }
      return new Steps(first, last);
    }

    private static double valueOf(int step) {
      return IN_A_DECADE[Math.floorMod(step, 3)] * Math.pow(10, Math.floorDiv(step, 3));
    }

    @Override
    public double position(double value) {
      double from = Math.log(valueOf(first));
      double to = Math.log(valueOf(last));
      return Math.clamp((Math.log(Math.max(value, Double.MIN_NORMAL)) - from) / (to - from), 0, 1);
    }

    @Override
    public List<Tick> ticks() {
      List<Tick> ticks = new ArrayList<>();
      boolean all = last - first <= 9;
      for (int step = first; step <= last; step++) {
        if (all || Math.floorMod(step, 3) == 0 || step == first || step == last) {
          double value = valueOf(step);
          BigDecimal digits = new BigDecimal(value, new MathContext(1)).stripTrailingZeros();
          ticks.add(new Tick(value, digits.toPlainString() + " %"));
        }
      }
      return ticks;
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
}

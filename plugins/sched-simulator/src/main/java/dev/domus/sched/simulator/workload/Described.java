package dev.domus.sched.simulator.workload;

import java.util.Locale;

/** Words for distributions. */
final class Described {
  private Described() {}

  static String of(Distribution distribution) {
    return switch (distribution) {
      case Distribution.Fixed(long nanos) -> Durations.show(nanos);
      case Distribution.Exponential(long mean) -> "exp(" + Durations.show(mean) + ")";
      case Distribution.Uniform(long least, long most) ->
          Durations.show(least) + " to " + Durations.show(most);
      case Distribution.Pareto(long least, double shape) ->
          String.format(Locale.ROOT, "pareto(%s, %.2f)", Durations.show(least), shape);
    };
  }
}

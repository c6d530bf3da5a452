package dev.domus.sched.simulator.workload;

import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A random duration. Sampling allocates nothing, and uses {@link StrictMath}, so that a seed gives
 * the same numbers on every machine.
 */
sealed interface Distribution {
  /** What one looks like, for messages. */
  String FORM =
      Durations.FORM
          + ", or exp(MEAN), uniform(LEAST,MOST), pareto(LEAST,SHAPE) of those, as exp(2ms)";

  /** The next duration, 0 or more nanoseconds. */
  long sample(SplittableRandom random);

  /** What the durations are on average, in nanoseconds; the median where there is no average. */
  double meanNanos();

  /** Always the same. */
  record Fixed(long nanos) implements Distribution {
    @Override
    public double meanNanos() {
      return nanos;
    }

    @Override
    public long sample(SplittableRandom random) {
      return nanos;
    }
  }

  /** Equally likely between two. */
  record Uniform(long least, long most) implements Distribution {
    @Override
    public double meanNanos() {
      return (least + most) / 2.0;
    }

    @Override
    public long sample(SplittableRandom random) {
      return random.nextLong(least, most + 1);
    }
  }

  /** Memoryless: the time between events that know nothing of each other. */
  record Exponential(long mean) implements Distribution {
    @Override
    public double meanNanos() {
      return mean;
    }

    @Override
    public long sample(SplittableRandom random) {
      double nanos = -StrictMath.log(1 - random.nextDouble()) * mean;
      return Math.min((long) nanos, Durations.MAX_NANOS);
    }
  }

  /** Mostly short, now and then very long; cut off at an hour. */
  record Pareto(long least, double shape) implements Distribution {
    @Override
    public double meanNanos() {
      return least * (shape > 1 ? shape / (shape - 1) : StrictMath.pow(2, 1 / shape));
    }

    @Override
    public long sample(SplittableRandom random) {
      double nanos = least * StrictMath.pow(1 - random.nextDouble(), -1 / shape);
      return Math.min((long) nanos, Durations.MAX_NANOS);
    }
  }

  /** Reads one; empty if it is none. */
  static Optional<Distribution> parse(String text) {
    String stripped = text.strip();
    int open = stripped.indexOf('(');
    if (open < 0) {
      return Durations.parse(stripped).map(Fixed::new);
    }
    if (!stripped.endsWith(")")) {
      return Optional.empty();
    }
    String name = stripped.substring(0, open).strip();
    List<String> args = List.of(stripped.substring(open + 1, stripped.length() - 1).split(",", -1));
    Optional<Long> first = Durations.parse(args.getFirst());
    if (first.isEmpty()) {
      return Optional.empty();
    }
    long nanos = first.get();
    return switch (name) {
      case "exp" -> args.size() == 1 ? Optional.of(new Exponential(nanos)) : Optional.empty();
      case "uniform" ->
          args.size() == 2
              ? Durations.parse(args.get(1))
                  .filter(most -> most >= nanos)
                  .map(most -> new Uniform(nanos, most))
              : Optional.empty();
      case "pareto" ->
          args.size() == 2 ? shape(args.get(1)).map(s -> new Pareto(nanos, s)) : Optional.empty();
      default -> Optional.empty();
    };
  }

  private static Optional<Double> shape(String text) {
    try {
      double shape = Double.parseDouble(text.strip());
      return shape >= 0.1 && shape <= 100 ? Optional.of(shape) : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }
}

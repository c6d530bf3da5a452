package dev.domus.sched.simulator.workload;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations as people write them: {@code 250us}, {@code 1.5ms}. */
public final class Durations {
  /** The longest: an hour. */
  public static final long MAX_NANOS = 3_600_000_000_000L;

  /** What a duration looks like, for messages. */
  public static final String FORM = "a number with ns, us, ms or s, as 250us or 1.5ms";

  private static final Pattern TEXT = Pattern.compile("(\\d{1,13}(?:\\.\\d{1,9})?)(ns|us|ms|s)");

  private Durations() {}

  /** Nanoseconds, rounded down; empty if it is no duration, or longer than an hour. */
  public static Optional<Long> parse(String text) {
    Matcher matcher = TEXT.matcher(text.strip());
    if (!matcher.matches()) {
      return Optional.empty();
    }
    int digits =
        switch (matcher.group(2)) {
          case "s" -> 9;
          case "ms" -> 6;
          case "us" -> 3;
          default -> 0;
        };
    BigDecimal nanos = new BigDecimal(matcher.group(1)).movePointRight(digits);
    return nanos.compareTo(BigDecimal.valueOf(MAX_NANOS)) > 0
        ? Optional.empty()
        : Optional.of(nanos.longValue());
  }

  /** Three digits and a unit: {@code 1.25 ms}. */
  public static String show(double nanos) {
    if (nanos < 999.5) {
      return String.format(Locale.ROOT, "%.0f ns", nanos);
    }
    String[] units = {"us", "ms", "s"};
    double value = nanos / 1_000;
    int unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1_000;
      unit++;
    }
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return String.format(Locale.ROOT, "%." + decimals + "f %s", value, units[unit]);
  }
}

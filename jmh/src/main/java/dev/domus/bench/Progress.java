package dev.domus.bench;

import java.io.PrintStream;
import java.time.Duration;

/**
 * Says on standard error what is being measured and how long the rest takes: in place on a
 * terminal, else a line whenever a twentieth is done. The estimate begins with the plan's and goes
 * by what the trials have taken so far.
 */
final class Progress {
  private static final String CLEAR_LINE = "\r\033[K";
  private static final int LINES = 20;

  private final PrintStream err;
  private final boolean inPlace;
  private int all;
  private int done;
  private int told;
  private long began;
  private Duration estimate = Duration.ZERO;

  Progress(PrintStream err, boolean inPlace) {
    this.err = err;
    this.inPlace = inPlace;
  }

  void begin(Plan plan, int jars) {
    all = plan.trials().size() * plan.rounds() * jars;
    estimate = plan.estimate().multipliedBy(jars);
    began = System.nanoTime();
    err.printf(
        "domus bench: %d measurements in %d round%s, about %s%n",
        all, plan.rounds(), plan.rounds() == 1 ? "" : "s", text(estimate));
  }

  void measuring(Trial trial) {
    if (inPlace) {
      err.printf("%s%d/%d, %s left: %s", CLEAR_LINE, done + 1, all, text(left()), trial.label());
      err.flush();
    }
  }

  private Duration left() {
    if (done == 0) {
      return estimate;
    }
    return Duration.ofNanos((System.nanoTime() - began) / done * (all - done));
  }

  void done() {
    done++;
    if (!inPlace && done * LINES / all > told) {
      told = done * LINES / all;
      err.printf("domus bench: %d/%d, %s left%n", done, all, text(left()));
    }
  }

  void skipped() {
    done++;
  }

  void failed(String message) {
    err.printf("%sdomus bench: %s%n", inPlace ? CLEAR_LINE : "", message);
  }

  void end() {
    if (inPlace) {
      err.print(CLEAR_LINE);
    }
  }

  /** Hours, minutes and seconds, as far as they matter. */
  static String text(Duration time) {
    long seconds = Math.max(1, time.toSeconds());
    if (seconds < 90) {
      return seconds + " s";
    }
    long minutes = (seconds + 30) / 60;
    return minutes < 90 ? minutes + " min" : "%d h %d min".formatted(minutes / 60, minutes % 60);
  }
}

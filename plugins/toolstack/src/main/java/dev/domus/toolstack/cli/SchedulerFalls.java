package dev.domus.toolstack.cli;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.SchedulerReport;
import java.io.PrintWriter;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Tells once of each scheduler that was put off its pool: who, what it did, and what before. */
final class SchedulerFalls {
  private final Control control;
  private final PrintWriter err;
  private final Set<SchedulerReport> told = new HashSet<>();

  SchedulerFalls(Control control, PrintWriter err) {
    this.control = control;
    this.err = err;
  }

  /** Tells of those that are new. */
  void tell() {
    for (SchedulerReport report : control.schedulerReports()) {
      if (told.add(report)) {
        tell(report);
      }
    }
  }

  private void tell(SchedulerReport report) {
    err.println(
        "domus: pool %s: scheduler %s (%s) failed, %s: %s"
            .formatted(
                report.pool(),
                report.scheduler(),
                report.provider(),
                words(report.kind()),
                report.detail()));
    List<String> decisions = report.lastDecisions();
    if (!decisions.isEmpty()) {
      err.println("domus: what went before, the latest last:");
      decisions.forEach(line -> err.println("  " + line));
    }
  }

  private static String words(String kind) {
    return switch (kind) {
      case "THREW" -> "it threw";
      case "ILLEGAL_PICK" -> "it decided what it must not";
      case "OVERLONG_CALL" -> "it did not return";
      case "STARVATION" -> "it starved a vCPU";
      default -> kind;
    };
  }
}

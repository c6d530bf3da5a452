package dev.domus.toolstack.cli;

import dev.domus.kernel.access.Denial;
import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.DomainInfo;
import java.io.PrintWriter;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** What {@code --stats} prints. */
final class RunStatistics {
  private static final double NANOS_A_SECOND = 1e9;

  private RunStatistics() {}

  /** What the access policy refused, most frequent first. */
  static void print(List<Denial> denials, PrintWriter err) {
    err.printf(
        Locale.ROOT, "domus: %,d refusals%n", denials.stream().mapToLong(Denial::count).sum());
    denials.stream()
        .sorted(Comparator.comparingLong(Denial::count).reversed())
        .forEach(denial ->
            err.printf(
                Locale.ROOT,
                "%,15d  domain %d may not %s %s%n",
                denial.count(),
                denial.caller(),
                denial.operation().words(),
                denial.whom()));
  }

  static void print(List<CallCount> calls, DomainInfo info, long wallNanos, PrintWriter err) {
    double cpuSeconds = info.cpuNanos() / NANOS_A_SECOND;
    err.printf(
        Locale.ROOT,
        "domus: %,d instructions in %.3f s of CPU time: %.1f MIPS; %.3f s from start to end%n",
        info.retired(),
        cpuSeconds,
        cpuSeconds == 0 ? 0 : info.retired() / cpuSeconds / 1e6,
        wallNanos / NANOS_A_SECOND);
    err.printf(
        Locale.ROOT, "domus: %,d hypercalls%n", calls.stream().mapToLong(CallCount::calls).sum());
    for (CallCount call : calls) {
      err.printf(
          Locale.ROOT,
          "%,15d  %s%s%n",
          call.calls(),
          call.name(),
          call.unimplemented() == 0 ? "" : "  (-ENOSYS: %,d)".formatted(call.unimplemented()));
    }
  }
}

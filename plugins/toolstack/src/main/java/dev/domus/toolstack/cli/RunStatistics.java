package dev.domus.toolstack.cli;

import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.DomainInfo;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;

/** What {@code --stats} prints. */
final class RunStatistics {
  private static final double NANOS_A_SECOND = 1e9;

  private RunStatistics() {}

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

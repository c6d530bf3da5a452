package dev.domus.toolstack.cli;

import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.toolstack.life.Guest;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What a run says on standard error, beside what the guest prints. */
final class Complaints {
  /** A guest that asks for more is trying out what there is. */
  private static final int MOST_CALLS_NAMED = 16;

  private Complaints() {}

  /** Why the run ended, unless the guest simply powered off. */
  static void ofEnd(Guest guest, int status, int timeoutSeconds, PrintWriter err) {
    String who = "domus: " + guest.name();
    switch (status) {
      case ExitStatus.OK -> {
        int reason = guest.info().shutdownReason();
        if (reason == DomainInfo.REBOOT) {
          err.println(who + " asked to be rebooted; domus run ends here");
        } else if (reason == DomainInfo.SUSPEND) {
          err.println(
              who
                  + " asked to be suspended; there is nothing to keep it in yet, so the run ends here");
        }
      }
      case ExitStatus.CRASHED -> {
        err.println(who + " crashed: " + reasonText(guest.info().shutdownReason()));
        err.println(
            guest
                .control()
                .crashReport(guest.domid())
                .orElse("There is no crash report.")
                .stripTrailing());
      }
      case ExitStatus.TIMED_OUT ->
          err.println(
              who + " was still there after " + timeoutSeconds + " s (--timeout), and was ended");
      case ExitStatus.LEFT -> err.println(System.lineSeparator() + who + " was ended with Ctrl-]");
      default -> {} // nobody reads standard output; there is no more to say
    }
  }

  private static String reasonText(int reason) {
    return switch (reason) {
      case DomainInfo.CRASH -> "shutdown reason 3 (crash)";
      case DomainInfo.WATCHDOG -> "its watchdog ran out (shutdown reason 4)";
      case DomainInfo.SOFT_RESET ->
          "it asked for a soft reset (shutdown reason 5), which is not there yet";
      default -> "shutdown reason " + reason;
    };
  }

  /** The hypercalls that were answered −ENOSYS, in one line: nothing is silently accepted. */
  static void ofUnimplementedCalls(Guest guest, PrintWriter err) {
    List<CallCount> missing =
        guest.control().hypercallCounts(guest.domid()).stream()
            .filter(call -> call.unimplemented() > 0)
            .toList();
    if (!missing.isEmpty()) {
      int more = missing.size() - MOST_CALLS_NAMED;
      err.println(
          "domus: answered -ENOSYS: "
              + missing.stream()
                  .limit(MOST_CALLS_NAMED)
                  .map(call ->
                      String.format(Locale.ROOT, "%s (%d)", call.name(), call.unimplemented()))
                  .collect(Collectors.joining(", "))
              + (more > 0 ? " and " + more + " others; --stats names them all" : ""));
    }
  }
}

package dev.domus.toolstack.cli;

/** The exit statuses of {@code domus}, as its help lists them. */
final class ExitStatus {
  /** Done; for {@code run}: the guest powered off, or asked for a reboot. */
  static final int OK = 0;

  /** What was asked for was done, and did not come out as it should; for {@code demo}. */
  static final int FAILED = 1;

  /** The command line, a file or a value cannot be used; nothing was started. */
  static final int BAD_INPUT = 2;

  /** The guest crashed. */
  static final int CRASHED = 3;

  /** The machine could not be started (EX_UNAVAILABLE of sysexits.h). */
  static final int UNAVAILABLE = 69;

  /** An error in Domus itself (EX_SOFTWARE of sysexits.h). */
  static final int SOFTWARE = 70;

  /** All of a deterministic run's vCPUs sleep, and nothing will ever wake one (EX_TEMPFAIL). */
  static final int STUCK = 75;

  /** The time given with --timeout was up, as timeout(1) has it. */
  static final int TIMED_OUT = 124;

  /** The user left: Ctrl-C, or Ctrl-] at a raw terminal. */
  static final int LEFT = 130;

  /** Nobody reads standard output any more: what a shell shows for SIGPIPE. */
  static final int OUTPUT_LOST = 141;

  private ExitStatus() {}
}

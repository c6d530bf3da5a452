package dev.domus.toolstack.cli;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.plugin.VirtualTime.Stop;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.terminal.ScriptedConsole;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.OptionalInt;

/**
 * Drives a deterministic machine with one guest: lets time pass from one thing that is to be done
 * to the next. What is done here is done at instants of virtual time, so it is part of the run and
 * the same each time.
 */
final class DeterministicRun {
  private static final long NANOS_A_SECOND = 1_000_000_000;

  private final Guest guest;
  private final VirtualTime time;
  private final ScriptedConsole console;
  private final DeterministicOptions options;
  private final long limitNanos;
  private final PrintWriter err;
  private long nextHash;

  /**
   * A run that has not begun.
   *
   * @param limitNanos when to give up; {@link Long#MAX_VALUE} for never
   */
  DeterministicRun(
      Guest guest,
      VirtualTime time,
      ScriptedConsole console,
      DeterministicOptions options,
      long limitNanos,
      PrintWriter err) {
    this.guest = guest;
    this.time = time;
    this.console = console;
    this.options = options;
    this.limitNanos = limitNanos;
    this.err = err;
    nextHash = options.hashNanos();
  }

  /** Runs it to its end; nothing if the guest has shut down, else the exit status. */
  OptionalInt run() {
    OptionalInt status = drive();
    if (options.hashes()) {
      printHash();
    }
    return status;
  }

  private OptionalInt drive() {
    while (true) {
      console.type();
      Stop stop = time.runUntil(Math.min(Math.min(limitNanos, nextHash), console.nextNanos()));
      if (guest.info().state() == DomainInfo.State.SHUTDOWN) {
        return OptionalInt.empty();
      }
      if (console.outputLost()) {
        return OptionalInt.of(ExitStatus.OUTPUT_LOST);
      }
      if (time.nanos() >= limitNanos) {
        return OptionalInt.of(ExitStatus.TIMED_OUT);
      }
      if (stop == Stop.NOTHING_TO_DO) {
        err.println(
            "domus: " + guest.name() + " sleeps, and nothing will ever wake it" + awaited());
        return OptionalInt.of(ExitStatus.STUCK);
      }
      while (time.nanos() >= nextHash) {
        printHash();
        nextHash += options.hashNanos();
      }
    }
  }

  private String awaited() {
    String text = console.awaited();
    return text.isEmpty()
        ? ""
        : "; the script still waits for it to print " + BadInputException.quote(text);
  }

  private void printHash() {
    long now = time.nanos();
    err.printf(
        Locale.ROOT,
        "domus: state at %d.%09d s: %s%n",
        now / NANOS_A_SECOND,
        now % NANOS_A_SECOND,
        time.stateHash(guest.domid()));
  }
}

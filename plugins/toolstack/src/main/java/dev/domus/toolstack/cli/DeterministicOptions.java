package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.terminal.InputScript;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import picocli.CommandLine.Option;

/** The options of {@code domus run} that have to do with a run that can be repeated exactly. */
final class DeterministicOptions {
  private static final long NANOS_A_MILLI = 1_000_000;

  @Option(
      names = "--deterministic",
      description =
          "Let time go by the instructions that the guest executes, so that the same options give the same run, instruction for instruction. One pCPU; the keyboard is not connected; --timeout counts virtual seconds.")
  private boolean deterministic;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description =
          "With --deterministic: vary how long hypercalls and faults take, for another interleaving; default: 0, a fixed time.")
  private Optional<Long> seed;

  @Option(
      names = "--wallclock",
      paramLabel = "TIME",
      description =
          "With --deterministic: the date at the start, like 2024-01-01T00:00:00Z, which is the default.")
  private Optional<String> wallClock;

  @Option(
      names = "--input",
      paramLabel = "FILE",
      description =
          "With --deterministic: what is typed, one line a step: at 1.5s type \"text\\r\", or after \"prompt\" type \"text\\r\".")
  private Optional<Path> input;

  @Option(
      names = "--state-hash",
      arity = "0..1",
      paramLabel = "MILLIS",
      fallbackValue = "0",
      description =
          "With --deterministic: at the end, and every so many virtual milliseconds if given, print a hash of the guest's memory, registers, events, timers and time.")
  private Optional<Integer> stateHash;

  /** The mode, or nothing for a run in real time. */
  Optional<DeterministicMode> mode(int pcpus) throws BadInputException {
    if (!deterministic) {
      refuseWithoutMode(seed, "--seed");
      refuseWithoutMode(wallClock, "--wallclock");
      refuseWithoutMode(input, "--input");
      refuseWithoutMode(stateHash, "--state-hash");
      return Optional.empty();
    }
    if (pcpus != 1) {
      throw new BadInputException(
          "--pcpus: is "
              + pcpus
              + ", and a deterministic run has 1, since several would race; leave it out");
    }
    if (stateHash.orElse(0) < 0) {
      throw new BadInputException(
          "--state-hash: is " + stateHash.get() + ", and has to be 1 or more milliseconds");
    }
    return Optional.of(new DeterministicMode(seed.orElse(0L), start()));
  }

  private static void refuseWithoutMode(Optional<?> option, String name) throws BadInputException {
    if (option.isPresent()) {
      throw new BadInputException(name + ": means something with --deterministic only; add that");
    }
  }

  private Instant start() throws BadInputException {
    if (wallClock.isEmpty()) {
      return DeterministicMode.USUAL_WALL_CLOCK;
    }
    Instant start;
    try {
      start = Instant.parse(wallClock.get());
    } catch (DateTimeException e) {
      throw new BadInputException(
          "--wallclock: is no date and time: "
              + BadInputException.quote(wallClock.get())
              + "; write it like 2024-01-01T00:00:00Z");
    }
    if (start.getEpochSecond() < 0) {
      throw new BadInputException("--wallclock: is before 1970, which guests cannot be told");
    }
    return start;
  }

  /** What is typed. */
  InputScript script() throws BadInputException {
    return input.isPresent() ? InputScript.read(input.get()) : InputScript.NOTHING;
  }

  /** Whether hashes are wanted. */
  boolean hashes() {
    return stateHash.isPresent();
  }

  /** How often beside at the end; {@link Long#MAX_VALUE} for not at all. */
  long hashNanos() {
    int millis = stateHash.orElse(0);
    return millis == 0 ? Long.MAX_VALUE : millis * NANOS_A_MILLI;
  }

  /** A handle for a guest: in each run the same for the same name and seed. */
  UUID uuid(String name) {
    return deterministic
        ? UUID.nameUUIDFromBytes((name + " " + seed.orElse(0L)).getBytes(StandardCharsets.UTF_8))
        : UUID.randomUUID();
  }
}

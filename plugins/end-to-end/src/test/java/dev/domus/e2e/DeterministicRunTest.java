package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code domus run --deterministic}, in processes of their own: the same run each time. */
@Timeout(300)
class DeterministicRunTest {
  private static final Path GRUB = Path.of("/usr/lib/grub-xen/grub-x86_64-xen.bin");
  private static final String REASON =
      "SKIPPED: GRUB is not run twice, because there is no "
          + GRUB
          + "; install Debian's package grub-xen-host";

  @TempDir private Path directory;

  /** What a run has printed, and its state at each instant that was asked for. */
  private record Run(String out, List<String> states) {}

  private static Run run(List<String> jvmOptions, Object... arguments) throws Exception {
    Object[] all = new Object[arguments.length + 2];
    all[0] = "run";
    all[1] = "--deterministic";
    System.arraycopy(arguments, 0, all, 2, arguments.length);
    try (DomusProcess domus = DomusProcess.startWithJvmOptions(jvmOptions, all)) {
      assertEquals(0, domus.await(140), domus::transcript);
      List<String> states =
          domus.err().lines().filter(line -> line.startsWith("domus: state at ")).toList();
      assertTrue(!states.isEmpty(), domus::transcript);
      return new Run(domus.out(), states);
    }
  }

  private static Run run(Object... arguments) throws Exception {
    return run(List.of(), arguments);
  }

  @Test
  void twoProcessesAreInTheSameStateAtEachInstant() throws Exception {
    Object[] spin = {
      "--kernel", DomusProcess.guest("spin"), "--cmdline", "seconds=2", "--state-hash=100"
    };
    Run first = run(spin);
    assertTrue(first.states().size() > 20, () -> "states=" + first.states());
    assertEquals(first, run(spin));
  }

  @Test
  void howTheJvmRunsTheEngineMakesNoDifference() throws Exception {
    Object[] hello = {"--kernel", DomusProcess.guest("hello"), "--state-hash"};
    Run compiled = run(hello);
    assertEquals(compiled, run(List.of("-Xint"), hello));
    assertEquals(compiled, run(List.of("-XX:TieredStopAtLevel=1"), hello));
  }

  @Test
  void seedDateAndInputAreWhatARunDependsOn() throws Exception {
    Path script = directory.resolve("script");
    Files.writeString(script, "after \"command line\" type \"stranger\\n\"\n");
    Path later = directory.resolve("later");
    Files.writeString(later, "at 30ms type \"stranger\\n\"\n");
    Object[] base = {
      "--kernel", DomusProcess.guest("hello"), "--cmdline", "ask", "--state-hash", "--input"
    };
    Run usual = run(with(base, script));
    assertTrue(usual.out().contains("good day, stranger"), usual.out());
    assertEquals(usual, run(with(base, script)));
    assertEquals(usual, run(with(base, script, "--seed", "0")));
    assertNotEquals(usual.states(), run(with(base, script, "--seed", "1")).states());
    assertNotEquals(usual.states(), run(with(base, later)).states());
    Run dated = run(with(base, script, "--wallclock", "1999-12-31T23:59:59Z"));
    assertTrue(dated.out().contains("it is 1999-12-31T23:59:59Z"), dated.out());
  }

  private static Object[] with(Object[] base, Object... more) {
    List<Object> all = new ArrayList<>(List.of(base));
    all.addAll(List.of(more));
    return all.toArray();
  }

  @Test
  void grubComesToItsPromptAndHaltsTheSameWayTwice() throws Exception {
    if (!Files.exists(GRUB)) {
      System.err.println(REASON);
    }
    Assumptions.assumeTrue(Files.exists(GRUB), REASON);
    Path script = directory.resolve("script");
    Files.writeString(
        script,
        """
        after "grub>" type "set greeting=wel\\r"
        after "grub>" type "echo ${greeting}come\\r"
        after "welcome" type "halt\\r"
        """);
    Object[] grub = {"--kernel", GRUB, "--input", script, "--state-hash=50", "--timeout", "60"};
    Run first = run(grub);
    assertTrue(first.out().contains("welcome"), first.out());
    assertTrue(first.states().size() > 3, () -> "states=" + first.states());
    assertEquals(first, run(grub));
  }

  @Test
  void aGuestThatNothingWillEverWakeEndsTheRun() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--deterministic",
            "--kernel",
            DomusProcess.guest("hello"),
            "--cmdline",
            "ask")) {
      assertEquals(75, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains("nothing will ever wake it"), domus::transcript);
    }
  }

  @Test
  void aTimeoutIsVirtual() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--deterministic",
            "--kernel",
            DomusProcess.guest("hello"),
            "--cmdline",
            "seconds=1000000",
            "--timeout",
            "500000")) {
      assertEquals(124, domus.await(60), domus::transcript);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--deterministic --pcpus 2 | --pcpus: is 2, and a deterministic run has 1",
        "--seed 5 | --seed: means something with --deterministic only",
        "--state-hash | --state-hash: means something with --deterministic only",
        "--deterministic --wallclock yesterday | --wallclock: is no date",
        "--deterministic --state-hash=-3 | --state-hash: is -3",
        "--deterministic --input /nowhere | /nowhere: cannot be read as an input script",
      })
  void whatCannotBeDeterministicIsRefusedWithARemedy(String options, String complaint)
      throws Exception {
    List<Object> arguments =
        new ArrayList<>(List.of("run", "--kernel", DomusProcess.guest("hello")));
    arguments.addAll(List.of(options.split(" ")));
    try (DomusProcess domus = DomusProcess.start(arguments.toArray())) {
      assertEquals(2, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains(complaint), domus::transcript);
    }
  }
}

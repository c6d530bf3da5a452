package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real terminal, made by script(1): raw while the guest has it, as before on every way out. */
class TerminalTest {
  private static final Path SCRIPT = Path.of("/usr/bin/script");

  @TempDir private Path directory;

  /** Runs domus between two looks at the terminal's settings, and returns what came out. */
  private String onATerminal(String arguments, String until, String keys) throws Exception {
    Assumptions.assumeTrue(
        Files.exists(SCRIPT), "SKIPPED: there is no " + SCRIPT + " to make a terminal with");
    String domus =
        DomusProcess.command().stream()
            .map(word -> "'" + word + "'")
            .collect(Collectors.joining(" "));
    Path commands =
        Files.writeString(
            directory.resolve("commands.sh"),
            "stty -g\n" + domus + " run " + arguments + "\necho status=$?\nstty -g\necho done\n");
    Process process =
        new ProcessBuilder(SCRIPT.toString(), "-qc", "sh " + commands, "/dev/null")
            .redirectErrorStream(true)
            .start();
    try {
      StringBuilder seen = new StringBuilder();
      readUntil(process, seen, until);
      process.getOutputStream().write(keys.getBytes(StandardCharsets.ISO_8859_1));
      process.getOutputStream().flush();
      readUntil(process, seen, "done");
      assertTrue(process.waitFor(30, TimeUnit.SECONDS), seen::toString);
      return seen.toString();
    } finally {
      process.destroyForcibly();
    }
  }

  private static void readUntil(Process process, StringBuilder seen, String text)
      throws IOException {
    InputStream out = process.getInputStream();
    while (seen.indexOf(text) < 0) {
      int next = out.read();
      if (next < 0) {
        throw new AssertionError("the terminal ended before it showed \"" + text + "\":\n" + seen);
      }
      seen.append((char) next);
    }
  }

  private static void assertRestored(String transcript) {
    var settings =
        transcript
            .lines()
            .filter(line -> line.matches("[0-9a-f]+(:[0-9a-f]+){10,}\\s*"))
            .map(String::strip)
            .toList();
    assertEquals(2, settings.size(), transcript);
    assertEquals(settings.get(0), settings.get(1), transcript);
  }

  @Test
  @Timeout(120)
  void ctrlRightBracketLeavesWithStatus130() throws Exception {
    String transcript =
        onATerminal(
            "--kernel " + DomusProcess.guest("spin") + " --cmdline period_ms=100",
            "spin: t=",
            "\035");
    assertTrue(transcript.contains("status=130"), transcript);
    assertRestored(transcript);
  }

  @Test
  @Timeout(120)
  void ctrlCIsTheGuestsAndTheTerminalComesBackWhenTheGuestEnds() throws Exception {
    String transcript =
        onATerminal(
            "--kernel " + DomusProcess.guest("spin") + " --cmdline 'seconds=2 period_ms=100'",
            "spin: t=",
            "\003");
    assertTrue(transcript.contains("spin: total"), transcript);
    assertTrue(transcript.contains("status=0"), transcript);
    assertRestored(transcript);
  }
}

package dev.domus.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.host.PluginSmith;
import dev.domus.kernel.plugin.MachineException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The main class: its arguments, its exit status, and what it says. */
class BootTest {
  @TempDir private Path temp;
  private Path directory;
  private PluginSmith smith;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();

  @BeforeEach
  void setUp() throws IOException {
    directory = Files.createDirectory(temp.resolve("plugins"));
    smith = new PluginSmith(directory, temp.resolve("work"));
  }

  private int boot(boolean traces, String... args) {
    Boot boot =
        new Boot(
            new PrintStream(said, true, StandardCharsets.UTF_8),
            traces,
            (spec, engines, schedulers, policies, models, modes, services) -> {
              throw new MachineException("no machine here");
            },
            List::of);
    return boot.run(args);
  }

  private int boot(String... command) {
    String[] args = new String[command.length + 3];
    args[0] = "--plugins";
    args[1] = directory.toString();
    args[2] = "--";
    System.arraycopy(command, 0, args, 3, command.length);
    return boot(false, args);
  }

  private void commandLine(String plugin, String body) throws IOException {
    smith.plugin(plugin, PluginSmith.COMMAND_LINE, PluginSmith.commandLineSource(body));
  }

  private void assertOneLine(String... parts) {
    String text = said.toString(StandardCharsets.UTF_8);
    assertEquals(1, text.lines().count(), text);
    for (String part : parts) {
      assertTrue(text.contains(part), text);
    }
  }

  @Test
  void theCommandGetsItsArgumentsAndDecidesTheExitStatus() throws IOException {
    commandLine("front", "return String.join(\",\", args).equals(\"run,--plugins,x\") ? 42 : 1;");

    assertEquals(42, boot("run", "--plugins", "x"));
    assertEquals("", said.toString(StandardCharsets.UTF_8));
  }

  @Test
  void pluginsComeFromSeveralDirectories() throws IOException {
    Path other = Files.createDirectory(temp.resolve("other"));
    new PluginSmith(other, temp.resolve("work2")).scheduler("s", "fair");
    commandLine("front", "return host.schedulers().size();");

    assertEquals(
        1, boot(false, "--plugins", directory.toString(), "--plugins", other.toString(), "--"));
  }

  @Test
  void withoutACommandLineTheBrokenPluginsAreNamed() throws IOException {
    Files.writeString(directory.resolve("toolstack.jar"), "no jar");

    assertEquals(2, boot("list"));
    List<String> lines = said.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(2, lines.size(), lines.toString());
    assertTrue(lines.get(0).startsWith("domus: plugin toolstack.jar: "), lines.get(0));
    assertTrue(lines.get(1).contains("no plugin provides a command line"), lines.get(1));
  }

  @Test
  void twoCommandLinesAreOneTooMany() throws IOException {
    commandLine("a", "return 0;");
    commandLine("b", "return 0;");

    assertEquals(2, boot("list"));
    assertOneLine("test.a, test.b", "remove all but one");
  }

  @Test
  void aDirectoryThatIsNotThereIsNamed() {
    assertEquals(2, boot(false, "--plugins", temp.resolve("gone").toString(), "--", "list"));
    assertOneLine("gone", "not a directory");
  }

  @Test
  void aFaultOfTheCommandIsOneLineThatSaysWhereTheTraceIs() throws IOException {
    commandLine("front", "throw new IllegalStateException(\"oops\");");

    assertEquals(70, boot("list"));
    assertOneLine("IllegalStateException: oops", "test.front.It.run", "DOMUS_TRACE=1");
  }

  @Test
  void theTraceIsShownToWhoAsks() throws IOException {
    commandLine("front", "throw new IllegalStateException(\"oops\");");

    assertEquals(70, boot(true, "--plugins", directory.toString(), "--"));
    assertTrue(
        said.toString(StandardCharsets.UTF_8).contains("dev.domus.kernel.Boot.run(Boot.java:"));
  }
}

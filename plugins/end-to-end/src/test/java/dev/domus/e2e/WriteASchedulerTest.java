package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * docs/write-a-scheduler.md, followed to the letter in a folder outside the tree, with the launcher
 * of an image. Maven is kept off the network: this build has had all that it needs.
 */
class WriteASchedulerTest {
  private static final Path ROOT = Path.of(System.getProperty("domus.root"));
  private static final int PATIENCE_SECONDS = 900; // a minute, on a host with nothing else to do

  @TempDir private Path directory;

  @Test
  @Timeout(PATIENCE_SECONDS + 30)
  void thePageLeadsFromAnEmptyFolderToASchedulerThatRuns() throws Exception {
    FollowedPage page = FollowedPage.read(ROOT.resolve("docs/write-a-scheduler.md"));
    assertTrue(page.steps().size() > 8, () -> "steps: " + page.steps());
    Path home = Files.createDirectory(directory.resolve("home"));
    Path transcript = directory.resolve("transcript");
    ProcessBuilder shell =
        new ProcessBuilder("bash", "-c", page.script())
            .directory(home.toFile())
            .redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
            .redirectOutput(transcript.toFile());
    String path = commands() + ":" + System.getenv("PATH");
    shell.environment().put("PATH", path);
    shell.environment().put("DOMUS", ROOT.toString());
    shell.environment().put("JAVA_HOME", System.getProperty("java.home"));
    shell.environment().put("MAVEN_ARGS", "--offline" + localRepository());
    Process process = shell.start();
    boolean ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
    String printed = Files.readString(transcript);
    assertTrue(ended, () -> "not done after " + PATIENCE_SECONDS + " s:\n" + printed);
    assertEquals(0, process.exitValue(), printed);
    for (int i = 0; i < page.steps().size(); i++) {
      String output = FollowedPage.outputOf(i, printed);
      for (String text : page.steps().get(i).shows()) {
        String step = page.steps().get(i).script();
        assertTrue(output.contains(text), () -> "\"" + text + "\" is not in: " + step + output);
      }
    }
  }

  /** Where this build has its libraries, if it was told. */
  private static String localRepository() {
    return Optional.ofNullable(System.getProperty("localRepository"))
        .map(place -> " -Dmaven.repo.local=" + place)
        .orElse("");
  }

  /**
   * A folder with a {@code domus} that runs the image's: the one of the tree would look whether it
   * has to build first, and this is a build. Maven is the tree's business.
   */
  private Path commands() throws IOException {
    Path image = Files.createDirectory(directory.resolve("image"));
    for (String part : List.of("lib", "plugins", "repository")) {
      copy(ROOT.resolve("target/domus").resolve(part), image.resolve(part));
    }
    Files.copy(ROOT.resolve("domus"), image.resolve("domus"));
    // Empty: do without a cache, whose making would take longer than it saves.
    Files.createFile(image.resolve("domus-" + javaVersion() + ".aot"));
    Path commands = Files.createDirectory(directory.resolve("bin"));
    Path domus =
        Files.writeString(
            commands.resolve("domus"),
            "#!/bin/sh\n[ \"$1\" != mvn ] || exec '%s/domus' \"$@\"\nexec '%s/domus' \"$@\"\n"
                .formatted(ROOT, image));
    Files.setPosixFilePermissions(domus, PosixFilePermissions.fromString("rwxr-xr-x"));
    return commands;
  }

  private static void copy(Path folder, Path target) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path one : (Iterable<Path>) all::iterator) {
        Files.copy(one, target.resolve(folder.relativize(one)));
      }
    }
  }

  private static String javaVersion() throws IOException {
    Properties release = new Properties();
    try (var in =
        Files.newBufferedReader(Path.of(System.getProperty("java.home")).resolve("release"))) {
      release.load(in);
    }
    return release.getProperty("JAVA_VERSION").replace("\"", "");
  }
}

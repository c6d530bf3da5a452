package dev.domus.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher script in an image of its own, with a stand-in for the JDK that prints its
 * arguments. What a real build and a real JVM make of them is seen by every other use of the
 * script.
 */
class LauncherTest {
  private static final Path SCRIPT = Path.of(System.getProperty("domus.root"), "domus");

  @TempDir private Path temp;
  private Path image;

  @BeforeEach
  void copyTheLauncherIntoAnImageWhosePathHasBlanks() throws IOException {
    image = temp.resolve("an image");
    Files.createDirectories(image.resolve("lib"));
    Files.createDirectories(image.resolve("plugins"));
    Files.copy(SCRIPT, image.resolve("domus"));
    assertTrue(image.resolve("domus").toFile().setExecutable(true));
  }

  @Test
  void argumentsReachTheHypervisorAsTheyWereGiven() throws Exception {
    Outcome outcome = launch(image.resolve("domus"), jdk("25.0.3"), "list", "two words", "");

    assertEquals(0, outcome.status(), outcome.err());
    List<String> args = outcome.out().lines().toList();
    String plugins = image.resolve("plugins").toRealPath().toString();
    assertEquals(
        List.of("--plugins", plugins, "list", "two words", ""),
        args.subList(args.indexOf("--plugins"), args.size()));
  }

  @Test
  void aSymbolicLinkToTheLauncherFindsTheImage() throws Exception {
    Path inner = Files.createSymbolicLink(temp.resolve("inner"), Path.of("an image", "domus"));
    Path outer = Files.createSymbolicLink(temp.resolve("outer"), inner);

    Outcome outcome = launch(outer, jdk("25"), "list");

    assertTrue(outcome.out().contains(image.resolve("lib").toRealPath().toString()), outcome.err());
  }

  @Test
  void theFirstJdkThatIsNewEnoughIsTaken() throws Exception {
    Outcome outcome = launch(image.resolve("domus"), jdk("27-ea"), "java-home");

    assertEquals(temp.resolve("jdk-27-ea").toRealPath() + "\n", outcome.out(), outcome.err());
  }

  @Test
  void aJdkThatIsTooOldIsPassedOver() throws Exception {
    Path old = jdk("17.0.15");

    Outcome outcome = launch(image.resolve("domus"), old, "java-home");

    // Whether there is another one depends on the machine: either it is named, or the old one is
    // complained of.
    assertFalse(outcome.out().contains(old.toString()), outcome.out());
    assertTrue(outcome.status() == 0 || outcome.err().contains("17.0.15 in "), outcome.err());
  }

  @Test
  void anImageDoesNotPretendToBeASourceTree() throws Exception {
    Outcome outcome = launch(image.resolve("domus"), jdk("25"), "test");

    assertEquals(64, outcome.status());
    assertTrue(outcome.err().contains("source tree"), outcome.err());
  }

  @Test
  void aFailedTrainingRunIsTriedOnceAndNoObstacle() throws Exception {
    Path java = jdk("25");

    launch(image.resolve("domus"), java, "list");
    Outcome second = launch(image.resolve("domus"), java, "list");

    assertEquals(0, second.status(), second.err());
    assertFalse(second.out().contains("AOTCache"), second.out());
    assertEquals(0, Files.size(image.resolve("domus-25.aot")));
  }

  private Path jdk(String version) throws IOException {
    Path home = temp.resolve("jdk-" + version);
    Path bin = Files.createDirectories(home.resolve("bin"));
    Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
    for (String tool : List.of("java", "javac")) {
      Path file = Files.writeString(bin.resolve(tool), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
      assertTrue(file.toFile().setExecutable(true));
    }
    return home;
  }

  private Outcome launch(Path script, Path javaHome, String... args) throws Exception {
    List<String> command = new ArrayList<>();
    command.add(script.toString());
    command.addAll(List.of(args));
    Path out = temp.resolve("out");
    Path err = temp.resolve("err");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(Files.createDirectories(temp.resolve("elsewhere")).toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    Map<String, String> environment = builder.environment();
    environment.put("JAVA_HOME", javaHome.toString());
    environment.remove("DOMUS_JAVA_OPTS");
    Process process = builder.start();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), "the launcher hangs");
    return new Outcome(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  private record Outcome(int status, String out, String err) {}
}

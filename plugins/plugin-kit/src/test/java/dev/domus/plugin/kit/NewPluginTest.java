package dev.domus.plugin.kit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What is written, and what is refused. That it builds and runs is the end-to-end tests' matter.
 */
class NewPluginTest {
  private static final Path ROOT = Path.of(System.getProperty("domus.root"));
  private static final Pattern VERSIONED =
      Pattern.compile(
          "<artifactId>(maven-[a-z]+-plugin)</artifactId>\\s*<version>([^<]+)</version>");

  @TempDir private Path here;

  private final StringWriter out = new StringWriter();

  private void make(String... args) throws UsageException {
    Image image = new Image(Path.of("/opt/domus image/repository"), "0.1.0");
    assertEquals(
        0, NewPluginSubcommand.run(List.of(args), host(), new PrintWriter(out, true), here, image));
  }

  /** With one scheduler, rr. */
  private static Host host() {
    return (Host)
        Proxy.newProxyInstance(
            Host.class.getClassLoader(),
            new Class<?>[] {Host.class},
            (proxy, method, arguments) -> List.of(new Host.NamedPart("rr", "turns")));
  }

  private List<String> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  @Test
  void aProjectIsWholeAndNoWordIsLeftUnfilled() throws Exception {
    make("scheduler", "fair-share2");
    Path project = here.resolve("fair-share2");
    assertEquals(
        List.of(
            ".gitignore",
            ".mvn/maven.config",
            "README.md",
            "pom.xml",
            "src/main/java/module-info.java",
            "src/main/java/org/example/fairshare2/FairShare2Factory.java",
            "src/main/java/org/example/fairshare2/FairShare2Scheduler.java",
            "src/main/java/org/example/fairshare2/package-info.java",
            "src/test/java/org/example/fairshare2/FairShare2ContractTest.java"),
        files(project));
    for (String file : files(project)) {
      String text = Files.readString(project.resolve(file));
      assertFalse(Pattern.compile("@[A-Z]+@").matcher(text).find(), () -> file + ": " + text);
    }
    assertTrue(
        Files.readString(project.resolve(".mvn/maven.config"))
            .contains("-Dmaven.repo.local.tail=/opt/domus image/repository\n"));
    assertTrue(out.toString().contains("cd "), out::toString);
  }

  @Test
  void folderAndPackageCanBeChosenAndTheFolderMayBeThereIfItIsEmpty() throws Exception {
    Files.createDirectory(here.resolve("empty"));
    make("scheduler", "mine", "--directory", "empty", "--package", "com.acme.sched_mine");
    assertTrue(
        Files.readString(here.resolve("empty/src/main/java/com/acme/sched_mine/MineFactory.java"))
            .startsWith("package com.acme.sched_mine;"));
    assertTrue(
        Files.readString(here.resolve("empty/src/main/java/module-info.java"))
            .contains("module com.acme.sched_mine {"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "disk mine                            | there is no kind of plugin \"disk\"; there is scheduler",
        "scheduler Mine                       | \"Mine\" is no name of a plugin; write lower-case",
        "scheduler mine-                      | \"mine-\" is no name of a plugin",
        "scheduler ../mine                    | \"../mine\" is no name of a plugin",
        "scheduler 2fast                      | \"2fast\" is no name of a plugin",
        "scheduler rr                         | there is a scheduler \"rr\" already",
        "scheduler switch                     | \"org.example.switch\" is no name of a Java package",
        "scheduler mine --package com..acme   | --package: \"com..acme\" is no name of a Java package",
        "scheduler mine --package dev.domus.x | --package: \"dev.domus.x\" is in a name space that is taken",
        "scheduler mine --directory full      | full: is there and not empty; choose another place",
        "scheduler mine --directory full/file | file: is a file; choose another place",
        "scheduler                            | Missing required parameter: 'NAME'",
        "scheduler mine --kind=x              | Unknown option: '--kind=x'"
      })
  void whatCannotBeIsRefusedInALineAndNothingIsWritten(String args, String problem)
      throws Exception {
    Files.createDirectory(here.resolve("full"));
    Files.writeString(here.resolve("full/file"), "");
    UsageException refused = assertThrows(UsageException.class, () -> make(args.split(" ")));
    assertTrue(refused.getMessage().contains(problem), refused::getMessage);
    assertEquals(1, refused.getMessage().lines().count());
    assertEquals(List.of("full/file"), files(here));
  }

  /** So that whoever has built Domus can build a plugin without network. */
  @Test
  void theProjectsMavenPluginsAreThoseOfThisTree() throws Exception {
    make("scheduler", "mine");
    String tree = Files.readString(ROOT.resolve("pom.xml"));
    String project = Files.readString(here.resolve("mine/pom.xml"));
    List<MatchResult> plugins = VERSIONED.matcher(project).results().toList();
    assertEquals(5, plugins.size());
    for (MatchResult plugin : plugins) {
      assertTrue(
          VERSIONED
              .matcher(tree)
              .results()
              .anyMatch(one ->
                  one.group(1).equals(plugin.group(1)) && one.group(2).equals(plugin.group(2))),
          plugin.group());
    }
  }
}

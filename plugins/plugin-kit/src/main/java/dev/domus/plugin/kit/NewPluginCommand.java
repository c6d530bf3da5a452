package dev.domus.plugin.kit;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * Judges what is wanted, and has the {@link Project} written.
 *
 * <p><b>How the project finds our jars.</b> They are on no server. The image has them in the layout
 * of a Maven repository, and the project's {@code .mvn/maven.config} names that as the tail of the
 * local repository (Maven 3.9): Maven looks there after {@code ~/.m2} and before any server, copies
 * nothing from it, and so always builds against the image as it is now. A repository in the pom
 * would be copied into {@code ~/.m2} once and go stale there, with every rebuild of Domus.
 */
@Command(
    name = "domus plugin new",
    sortOptions = false,
    customSynopsis = "domus plugin new [--directory DIR] [--package NAME] KIND NAME",
    description = {
      "Make a Maven project of a plugin: it builds, passes its tests, and can be run as it is.%n"
    },
    footer = {
      "",
      "Kinds:",
      "  scheduler   equal turns to begin with, and the tests that every scheduler passes",
      "",
      "Example:",
      "  domus plugin new scheduler stride",
      "",
      "docs/write-a-scheduler.md goes on from there."
    })
final class NewPluginCommand {
  private static final int MOST_CHARS = 40;

  /** No part of a package's name (Java Language Specification, 3.9). */
  private static final Set<String> KEYWORDS =
      Set.of(
          ("abstract assert boolean break byte case catch char class const continue default do double "
                  + "else enum extends final finally float for goto if implements import instanceof int "
                  + "interface long native new package private protected public return short static "
                  + "strictfp super switch synchronized this throw throws transient try void volatile "
                  + "while true false null")
              .split(" "));

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Option(
      names = "--directory",
      paramLabel = "DIR",
      description = "Where it goes: a folder that is empty, or not there yet; default: NAME, here.")
  private Optional<String> directory = Optional.empty();

  @Option(
      names = "--package",
      paramLabel = "NAME",
      description = "The Java package and module; default: org.example.NAME.")
  private Optional<String> packageName = Optional.empty();

  @Parameters(index = "0", paramLabel = "KIND", description = "What kind of plugin, see below.")
  private String kind;

  @Parameters(
      index = "1",
      paramLabel = "NAME",
      description = "Its name: lower-case letters, digits and hyphens.")
  private String name;

  int run(Host host, PrintWriter out, Path here, Image image) throws UsageException {
    Kind wanted =
        Arrays.stream(Kind.values())
            .filter(each -> each.word().equals(kind))
            .findFirst()
            .orElseThrow(() ->
                new UsageException(
                    "there is no kind of plugin \"%s\"; there is %s"
                        .formatted(
                            kind,
                            Arrays.stream(Kind.values())
                                .map(Kind::word)
                                .collect(Collectors.joining(", ")))));
    checkName(host);
    String javaPackage = packageName.orElse("org.example." + name.replace("-", ""));
    checkPackage(javaPackage);
    Path folder = here.resolve(directory.orElse(name));
    checkFolder(folder);
    Project project = new Project(name, javaPackage, image);
    try {
      project.write(wanted, folder);
    } catch (IOException e) {
      throw new UsageException(
          folder + ": cannot be written (" + e.getMessage() + "); choose another place");
    }
    out.printf("%s: a %s plugin. Next:%n", folder, kind);
    List.of(
            "cd " + folder,
            "mvn package        build it, and test it as every scheduler is tested",
            "domus --plugins target/plugins run --kernel IMAGE --scheduler " + name)
        .forEach(line -> out.println("  " + line));
    return 0;
  }

  private void checkName(Host host) throws UsageException {
    if (!name.matches("[a-z][a-z0-9]*(-[a-z0-9]+)*") || name.length() > MOST_CHARS) {
      throw new UsageException(
          "\"%s\" is no name of a plugin; write lower-case letters, digits and single hyphens, a letter first, %d at most"
              .formatted(name, MOST_CHARS));
    }
    if (host.schedulers().stream().anyMatch(each -> each.name().equals(name))) {
      throw new UsageException(
          "there is a scheduler \"%s\" already (domus sched list); choose another name"
              .formatted(name));
    }
  }

  private static void checkPackage(String javaPackage) throws UsageException {
    boolean isName =
        javaPackage.matches("[a-z][a-z0-9_]*(\\.[a-z][a-z0-9_]*)*")
            && Arrays.stream(javaPackage.split("\\.")).noneMatch(KEYWORDS::contains);
    if (!isName) {
      throw new UsageException(
          "--package: \"%s\" is no name of a Java package; write one like org.example.mine"
              .formatted(javaPackage));
    }
    String first = javaPackage.split("\\.", 2)[0];
    if (first.equals("java") || javaPackage.startsWith("dev.domus")) {
      throw new UsageException(
          "--package: \"%s\" is in a name space that is taken; choose another"
              .formatted(javaPackage));
    }
  }

  private static void checkFolder(Path folder) throws UsageException {
    if (!Files.exists(folder)) {
      return;
    }
    if (!Files.isDirectory(folder)) {
      throw new UsageException(folder + ": is a file; choose another place (--directory)");
    }
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      if (entries.iterator().hasNext()) {
        throw new UsageException(
            folder
                + ": is there and not empty; choose another place (--directory) or empty it first");
      }
    } catch (IOException e) {
      throw new UsageException(
          folder + ": cannot be read (" + e.getMessage() + "); choose another place");
    }
  }
}

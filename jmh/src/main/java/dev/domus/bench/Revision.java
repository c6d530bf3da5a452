package dev.domus.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Revisions of this repository: what the sources are that were built, and another one's benchmark
 * jar, built in a work tree of its own that is kept for the next time.
 */
final class Revision {
  private static final int BUILD_MINUTES = 20;

  private final Path root;

  /** Revisions of the repository at this directory. */
  Revision(Path root) {
    this.root = root;
  }

  /** What the sources are now: the commit, with a word if they have been changed since. */
  String current() throws IOException, InterruptedException {
    try {
      String commit = git("rev-parse", "--short=12", "HEAD");
      return git("status", "--porcelain", "--untracked-files=no").isEmpty()
          ? commit
          : commit + " and changes";
    } catch (BadInputException noRepository) {
      return "unknown";
    }
  }

  /** A name's commit. */
  String commit(String reference) throws IOException, InterruptedException, BadInputException {
    try {
      return git("rev-parse", "--verify", "--quiet", "--short=12", reference + "^{commit}");
    } catch (BadInputException e) {
      throw new BadInputException(
          "--vs: \"%s\" is no revision of this repository; \"git log --oneline\" lists them"
              .formatted(reference));
    }
  }

  /**
   * The benchmark jar of a commit, built unless it has been before.
   *
   * @param directory for work trees and logs
   */
  Path benchmarks(String commit, Path directory)
      throws IOException, InterruptedException, BadInputException {
    Path tree = directory.resolve(commit);
    Path jar = tree.resolve("jmh/target/benchmarks.jar");
    if (Files.exists(jar)) {
      return jar;
    }
    Files.createDirectories(directory);
    if (!Files.exists(tree)) {
      git("worktree", "prune");
      git("worktree", "add", "--detach", tree.toString(), commit);
    }
    Path log = directory.resolve(commit + ".log");
    int status =
        run(
            tree,
            log,
            List.of(
                tree.resolve("domus").toString(),
                "mvn",
                "-q",
                "-Dmaven.test.skip=true",
                "-Dspotless.check.skip=true",
                "-pl",
                "jmh",
                "-am",
                "package"));
    if (status != 0 || !Files.exists(jar)) {
      throw new BadInputException("--vs: %s does not build; see %s".formatted(commit, log));
    }
    return jar;
  }

  private String git(String... arguments)
      throws IOException, InterruptedException, BadInputException {
    Path output = Files.createTempFile("domus-bench", ".git");
    try {
      List<String> command = new java.util.ArrayList<>(List.of("git"));
      command.addAll(List.of(arguments));
      int status = run(root, output, command);
      String text = Files.readString(output, StandardCharsets.UTF_8).strip();
      if (status != 0) {
        throw new BadInputException("git %s: %s".formatted(String.join(" ", arguments), text));
      }
      return text;
    } finally {
      Files.delete(output);
    }
  }

  private static int run(Path directory, Path output, List<String> command)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    process.getOutputStream().close();
    if (!process.waitFor(BUILD_MINUTES, TimeUnit.MINUTES)) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
      return -1;
    }
    return process.exitValue();
  }
}

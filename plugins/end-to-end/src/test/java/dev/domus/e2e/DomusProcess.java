package dev.domus.e2e;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A running {@code domus}, from the run image, with pipes for its three streams.
 *
 * <p>The JVM is started as the launcher starts it, but not through the launcher: this test runs
 * inside a build, and the launcher would start another one.
 */
final class DomusProcess implements AutoCloseable {
  private static final Path ROOT = Path.of(System.getProperty("domus.root"));

  private final Process process;
  private final Collector out;
  private final Collector err;

  private DomusProcess(Process process) {
    this.process = process;
    out = new Collector(process.getInputStream(), "stdout");
    err = new Collector(process.getErrorStream(), "stderr");
  }

  /** Starts {@code domus} with arguments. */
  static DomusProcess start(Object... arguments) throws IOException {
    return new DomusProcess(new ProcessBuilder(command(arguments)).start());
  }

  /** Starts {@code domus} in a JVM with further options. */
  static DomusProcess startWithJvmOptions(List<String> options, Object... arguments)
      throws IOException {
    List<String> command = command(arguments);
    command.addAll(1, options);
    return new DomusProcess(new ProcessBuilder(command).start());
  }

  /** Starts {@code domus} with one more directory of plugins. */
  static DomusProcess startWithPlugins(Path more, Object... arguments) throws IOException {
    List<String> command = command(arguments);
    command.addAll(command.indexOf("--plugins"), List.of("--plugins", more.toString()));
    return new DomusProcess(new ProcessBuilder(command).start());
  }

  /** The command that runs {@code domus} with arguments. */
  static List<String> command(Object... arguments) {
    Path image = ROOT.resolve("target/domus");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--module-path", image.resolve("lib").toString()));
    command.addAll(
        List.of("--enable-native-access=dev.domus.memory,dev.domus.kernel", "-XX:+UseSerialGC"));
    command.add("-Ddomus.home=" + ROOT);
    command.addAll(List.of("--module", "dev.domus.kernel/dev.domus.kernel.Boot"));
    command.addAll(List.of("--plugins", image.resolve("plugins").toString(), "--"));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    return command;
  }

  /** One of the guest kernels that are in the tree. */
  static Path guest(String name) {
    return ROOT.resolve("guest-kernels/images").resolve(name + ".elf");
  }

  /** Sends text to standard input. */
  void type(String text) throws IOException {
    OutputStream in = process.getOutputStream();
    in.write(text.getBytes(StandardCharsets.ISO_8859_1));
    in.flush();
  }

  /** Ends standard input. */
  void endInput() throws IOException {
    process.getOutputStream().close();
  }

  /** Sends SIGINT, as a terminal does for Ctrl-C. */
  void interrupt() throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
  }

  /** Sends SIGTERM. */
  void terminate() {
    process.destroy();
  }

  /** Waits until standard output holds a text. */
  void awaitOutput(String text, int seconds) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (!out.text().contains(text)) {
      if (!process.isAlive() && out.ended() && !out.text().contains(text)) {
        throw new AssertionError("domus ended before it printed \"" + text + "\"" + transcript());
      }
      if (System.nanoTime() - deadline >= 0) {
        throw new AssertionError(
            "domus did not print \"" + text + "\" within " + seconds + " s" + transcript());
      }
      out.awaitMore(deadline - System.nanoTime());
    }
  }

  /** Waits for the end and returns the exit status. */
  int await(int seconds) throws InterruptedException {
    if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
      throw new AssertionError("domus was still there after " + seconds + " s" + transcript());
    }
    out.awaitEnd();
    err.awaitEnd();
    return process.exitValue();
  }

  /** What it has printed on standard output so far. */
  String out() {
    return out.text();
  }

  /** What it has printed on standard error so far. */
  String err() {
    return err.text();
  }

  /** All of its output, for messages. */
  String transcript() {
    return "\n--- standard output ---\n"
        + out.text()
        + "\n--- standard error ---\n"
        + err.text()
        + "\n---";
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }

  /** Collects a stream as it comes. */
  private static final class Collector {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final Thread thread;

    Collector(InputStream stream, String name) {
      thread = Thread.ofPlatform().daemon().name(name).start(() -> collect(stream));
    }

    private void collect(InputStream stream) {
      byte[] buffer = new byte[4096];
      try (stream) {
        for (int count = stream.read(buffer); count >= 0; count = stream.read(buffer)) {
          synchronized (this) {
            bytes.write(buffer, 0, count);
            notifyAll();
          }
        }
      } catch (IOException e) {
        // The process was killed at the end of a test that has failed: there is no more to come.
      }
      synchronized (this) {
        notifyAll();
      }
    }

    synchronized String text() {
      return bytes.toString(StandardCharsets.ISO_8859_1);
    }

    synchronized void awaitMore(long nanos) throws InterruptedException {
      wait(
          Math.clamp(
              nanos / 1_000_000, 1, 200)); // bounded, since text may have come before the wait
    }

    boolean ended() {
      return !thread.isAlive();
    }

    void awaitEnd() throws InterruptedException {
      thread.join(5000);
    }
  }
}

package dev.domus.sched.simulator.workload;

import dev.domus.kernel.sched.PutReason;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.engine.Vcpu;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;

/** Writes what happens in a simulation as a recording that {@link TraceReader} reads. */
public final class TraceWriter implements RunRecorder, AutoCloseable {
  private final BufferedWriter out;
  private final Set<Vcpu> declared = new HashSet<>();

  /**
   * Begins a file.
   *
   * @throws IOException if it cannot be written
   */
  public TraceWriter(Path file) throws IOException {
    out = Files.newBufferedWriter(file);
    out.write("domus-sched-trace 1\n");
  }

  @Override
  public void wake(Vcpu vcpu, long nowNanos) {
    if (declared.add(vcpu)) {
      write("vcpu " + vcpu + " weight=" + vcpu.weight() + " cap=" + vcpu.cap());
    }
    write(nowNanos + " " + vcpu + " wake");
  }

  @Override
  public void run(Vcpu vcpu, int pcpu, long nowNanos) {
    write(nowNanos + " " + vcpu + " run pcpu=" + pcpu);
  }

  @Override
  public void off(Vcpu vcpu, PutReason reason, long ranNanos, long nowNanos) {
    String word = reason.name().toLowerCase(Locale.ROOT);
    write(nowNanos + " " + vcpu + " " + word + " ran=" + ranNanos);
  }

  private void write(String line) {
    try {
      out.write(line);
      out.write('\n');
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}

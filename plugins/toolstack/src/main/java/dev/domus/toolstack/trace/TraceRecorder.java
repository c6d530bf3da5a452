package dev.domus.toolstack.trace;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceReader;
import dev.domus.kernel.trace.TraceSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Records the machine's trace into a file: a thread empties the kernel's buffers every {@value
 * #PERIOD_MILLIS} ms. Where they fill up faster than that, the oldest records are lost and counted.
 *
 * <p>A disk that is full ends the recording and not the machine; {@link #close} tells.
 */
public final class TraceRecorder implements AutoCloseable {
  private static final long PERIOD_MILLIS = 5;
  private static final int BATCH_RECORDS = 4096;

  private final Trace trace;
  private final Trace.Session session;
  private final TraceReader reader;
  private final TraceBatch batch = new TraceBatch(BATCH_RECORDS);
  private final TraceFileWriter file;
  private final Map<String, String> labels = new LinkedHashMap<>();
  private final Thread thread;
  private volatile boolean ended;
  private volatile IOException failure;
  private long records;

  private TraceRecorder(Trace trace, TraceSpec spec, Path file, List<Host.HypercallInfo> hypercalls)
      throws IOException {
    this.trace = trace;
    hypercalls.forEach(this::label);
    long wallMillis = System.currentTimeMillis();
    this.file = new TraceFileWriter(file, spec, trace.nanoTime(), wallMillis);
    session = trace.start(spec);
    reader = session.reader();
    thread = Thread.ofPlatform().daemon().name("trace-recorder").start(this::drainUntilEnded);
  }

  /**
   * Begins to record.
   *
   * @param hypercalls their names, for those who read the file
   * @throws IOException if the file cannot be written
   */
  public static TraceRecorder start(
      Trace trace, TraceSpec spec, Path file, List<Host.HypercallInfo> hypercalls)
      throws IOException {
    return new TraceRecorder(trace, spec, file, hypercalls);
  }

  private void label(Host.HypercallInfo call) {
    String key = "hypercall/" + call.number();
    labels.put(key, call.name());
    call.command().ifPresent(command -> labels.put(key + "/" + command, call.subop()));
  }

  /** Says what a domain is called, and its share, for those who read the file. */
  public synchronized void name(DomainInfo domain, String name) {
    labels.put("domain/" + domain.domid(), name);
    labels.put("weight/" + domain.domid(), Integer.toString(domain.weight()));
    labels.put("cap/" + domain.domid(), Integer.toString(domain.cap()));
  }

  /** How many records are in the file. */
  public long records() {
    return records;
  }

  /** How many were lost: overwritten before they were read, or not written. */
  public long lost() {
    return reader.lost() + session.dropped();
  }

  private void drainUntilEnded() {
    try {
      while (!ended) {
        drain();
        Thread.sleep(PERIOD_MILLIS);
      }
    } catch (IOException e) {
      failure = e;
      session.close();
    } catch (InterruptedException e) {
      // by nobody: the thread is this class's own
    }
  }

  private void drain() throws IOException {
    while (reader.next(batch)) {
      file.records(batch);
      records += batch.count();
    }
  }

  /**
   * Ends the recording; a second call does nothing.
   *
   * @throws IOException if the file could not be written; what is in it can be read
   */
  @Override
  public void close() throws IOException {
    if (ended) {
      return;
    }
    ended = true;
    session.close();
    joinThread();
    try (file) {
      if (failure != null) {
        throw failure;
      }
      drain();
      List<String> names = trace.names();
      synchronized (this) {
        for (int i = 0; i < names.size(); i++) {
          labels.put("name/" + i, names.get(i));
        }
        file.labels(labels);
      }
      file.end(session.dropped());
    }
  }

  private void joinThread() {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

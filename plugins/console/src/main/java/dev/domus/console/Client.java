package dev.domus.console;

import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.Worker;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;

/**
 * One who is attached to a console. It has a worker of its own, which carries the console's log to
 * it from where it is to the end whenever there is more, so clients do not wait for one another.
 *
 * <p>Fields belong to the console's lock, which is not held while the client's output is called.
 */
final class Client implements ConsoleService.Attachment {
  /** How long a client may sit on what it was given before the guest goes on without it. */
  static final long PATIENCE_NANOS = 1_000_000_000L;

  private static final int CHUNK = 8192;
  private static final System.Logger LOG = System.getLogger(Client.class.getName());

  private final Console console;
  private final ConsoleService.Output output;
  private final Worker worker;

  /** Position in the log up to which it has been given everything. */
  private long delivered;

  /** Whether the client's output is being called, and since when. */
  private boolean busy;

  /** Whether its worker has been told of output and has not come to its end. */
  private boolean awake;

  /** The thread that calls the client's output, while it does. */
  private Thread caller;

  private long busySince;
  private boolean closed;

  Client(Console console, ConsoleService.Output output, long from, Worker worker) {
    this.console = console;
    this.output = output;
    this.worker = worker;
    delivered = from;
  }

  /** There is output to be carried. */
  void wake() {
    if (!awake && !closed) {
      awake = true;
      worker.execute(this::carry);
    }
  }

  /** There will be no more output: its worker ends when it has carried what there is. */
  void finish() {
    worker.execute(worker::close);
  }

  boolean closed() {
    return closed;
  }

  long delivered() {
    return delivered;
  }

  /** Says whether the client has kept us waiting so long that nobody waits for it any more. */
  boolean stalled() {
    return busy && System.nanoTime() - busySince >= PATIENCE_NANOS;
  }

  private void carry() {
    byte[] chunk = new byte[CHUNK];
    console.lock();
    try {
      while (!closed && delivered < console.log().end()) {
        long lost = Math.max(0, console.log().start() - delivered);
        delivered += lost;
        int count = console.log().copy(delivered, chunk);
        busy = true;
        busySince = System.nanoTime();
        caller = Thread.currentThread();
        console.unlock();
        boolean good = give(lost, chunk, count);
        console.lock();
        caller = null;
        busy = false;
        delivered += count;
        closed |= !good;
        console.changed();
      }
    } finally {
      awake = false;
      if (closed) {
        console.remove(this);
      }
      console.unlock();
    }
  }

  private boolean give(long lost, byte[] chunk, int count) {
    try {
      if (lost > 0) {
        byte[] notice =
            "\r\n[%d bytes of output are missing here: they were not taken in time]\r\n"
                .formatted(lost)
                .getBytes(StandardCharsets.US_ASCII);
        output.write(notice, 0, notice.length);
      }
      output.write(chunk, 0, count);
      return true;
    } catch (RuntimeException failure) {
      LOG.log(
          Level.ERROR,
          "a client of the console failed and is detached: domid=" + console.domid(),
          failure);
      return false;
    }
  }

  @Override
  public void type(byte[] bytes, int offset, int length) throws InterruptedException {
    console.type(this, bytes, offset, length);
  }

  @Override
  public int offer(byte[] bytes, int offset, int length) {
    return console.offer(this, bytes, offset, length);
  }

  @Override
  public void drain() throws InterruptedException {
    if (!calledFromOutput()) { // it would wait for itself
      console.drain(this);
    }
  }

  private boolean calledFromOutput() {
    console.lock();
    try {
      return caller == Thread.currentThread();
    } finally {
      console.unlock();
    }
  }

  @Override
  public void close() {
    console.lock();
    try {
      closed = true;
      console.remove(this);
    } finally {
      console.unlock();
    }
    finish(); // not awaited: its client may be stuck in its output
    console.reportIfIdle();
  }
}

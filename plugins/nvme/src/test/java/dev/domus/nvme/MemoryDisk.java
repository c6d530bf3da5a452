package dev.domus.nvme;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/** A disk in memory that fails, or takes its time, when told to. */
final class MemoryDisk implements Disk {
  final byte[] contents;
  volatile boolean readOnly;
  volatile boolean fails;

  /** What a flush, or a write, waits for, if anything. */
  volatile CountDownLatch flushGate;

  volatile CountDownLatch writeGate;

  /** Counted down when a write begins. */
  final CountDownLatch writing = new CountDownLatch(1);

  /** Counted down when a flush begins. */
  volatile CountDownLatch flushing = new CountDownLatch(1);

  volatile int flushes;

  MemoryDisk(int bytes) {
    contents = new byte[bytes];
  }

  @Override
  public long bytes() {
    return contents.length;
  }

  @Override
  public boolean isReadOnly() {
    return readOnly;
  }

  @Override
  public boolean canDiscard() {
    return true;
  }

  @Override
  public void read(ByteBuffer into, long at) throws IOException {
    check();
    synchronized (contents) {
      into.put(contents, (int) at, into.remaining());
    }
  }

  @Override
  public void write(ByteBuffer from, long at) throws IOException {
    check();
    writing.countDown();
    pass(writeGate);
    synchronized (contents) {
      from.get(contents, (int) at, from.remaining());
    }
  }

  @Override
  public void flush() throws IOException {
    check();
    flushing.countDown();
    pass(flushGate);
    flushes++;
  }

  @Override
  public void discard(long at, long bytes) throws IOException {
    check();
    synchronized (contents) {
      Arrays.fill(contents, (int) at, (int) (at + bytes), (byte) 0);
    }
  }

  @Override
  public void close() {}

  private static void pass(CountDownLatch gate) {
    if (gate != null) {
      try {
        gate.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void check() throws IOException {
    if (fails) {
      throw new IOException("told to fail");
    }
  }
}

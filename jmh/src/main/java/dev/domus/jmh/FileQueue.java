package dev.domus.jmh;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;

/**
 * Reads of a file with a queue of the depth, and with the threads, that {@link NvmeDriver} and a
 * controller have between them: one thread asks and takes, another reads. What is left when all
 * that makes a device of it is taken away.
 */
final class FileQueue implements AutoCloseable {
  private static final int ENTRIES = 64;
  private static final int TELL = 8;

  private final FileChannel channel;
  private final ByteBuffer[] buffers = new ByteBuffer[ENTRIES];
  private final int[] pages = new int[ENTRIES];
  private final Thread reader;
  private volatile long asked;
  private volatile long done;
  private volatile boolean closed;
  private volatile Thread waiting;

  FileQueue(FileChannel channel) {
    this.channel = channel;
    for (int i = 0; i < ENTRIES; i++) {
      buffers[i] = ByteBuffer.allocateDirect(NvmeDriver.PAGE);
    }
    reader = Thread.ofPlatform().daemon().name("file-queue").start(this::read);
  }

  private void read() {
    try {
      while (!closed) {
        long next = done;
        if (next == asked) {
          LockSupport.unpark(waiting);
          LockSupport.park(this);
          continue;
        }
        int slot = (int) next & ENTRIES - 1;
        channel.read(buffers[slot].clear(), (long) pages[slot] * NvmeDriver.PAGE);
        done = next + 1;
        if ((next + 1) % TELL == 0) {
          LockSupport.unpark(waiting);
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As {@link NvmeDriver#run}. */
  long run(long deadlineNanos, IntSupplier next) {
    waiting = Thread.currentThread();
    long first = done;
    long taken = first;
    boolean more = true;
    while (more || taken < asked) {
      long ask = asked;
      while (more && ask - taken < NvmeDriver.DEPTH) {
        pages[(int) ask & ENTRIES - 1] = next.getAsInt();
        ask++;
      }
      if (ask != asked) {
        asked = ask;
        LockSupport.unpark(reader);
      }
      while (done == taken && taken < ask) {
        LockSupport.park(this);
      }
      for (long end = done; taken < end; taken++) {
        int slot = (int) taken & ENTRIES - 1;
        if (Integer.reverseBytes(buffers[slot].getInt(0)) != pages[slot]) {
          throw new IllegalStateException("a read went wrong: page=" + pages[slot]);
        }
      }
      more = more && System.nanoTime() - deadlineNanos < 0;
    }
    return taken - first;
  }

  @Override
  public void close() {
    closed = true;
    LockSupport.unpark(reader);
  }
}

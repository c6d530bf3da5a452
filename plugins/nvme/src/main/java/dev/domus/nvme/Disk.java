package dev.domus.nvme;

import java.io.IOException;
import java.nio.ByteBuffer;

/** What a namespace is made of. Used by several threads at once. */
interface Disk {
  /** Its size, which does not change. */
  long bytes();

  boolean isReadOnly();

  /** Whether {@link #discard} can do anything; what was discarded then reads as zeros. */
  boolean canDiscard();

  /** Fills a buffer's remaining bytes. */
  void read(ByteBuffer into, long at) throws IOException;

  /** Writes a buffer's remaining bytes; they may be lost until the next {@link #flush}. */
  void write(ByteBuffer from, long at) throws IOException;

  /** Returns when all that was written before is where a loss of power does not reach it. */
  void flush() throws IOException;

  /** Gives the space of these bytes back. */
  void discard(long at, long bytes) throws IOException;

  /** Gives the file back. */
  void close() throws IOException;
}

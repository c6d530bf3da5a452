package dev.domus.nvme;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * A disk in a file (or block device) of the host. Positional reads and writes on direct buffers, so
 * bytes go from the file to the buffer and nowhere else on their way.
 */
final class FileDisk implements Disk {
  private final FileChannel channel;
  private final long bytes;
  private final boolean readOnly;
  private final Optional<HolePuncher> puncher;

  private FileDisk(
      FileChannel channel, long bytes, boolean readOnly, Optional<HolePuncher> puncher) {
    this.channel = channel;
    this.bytes = bytes;
    this.readOnly = readOnly;
    this.puncher = puncher;
  }

  /** Opens a file that exists. */
  static FileDisk open(Path file, boolean readOnly) throws IOException {
    FileChannel channel =
        readOnly
            ? FileChannel.open(file, StandardOpenOption.READ)
            : FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      long bytes = channel.size();
      return new FileDisk(
          channel, bytes, readOnly, readOnly ? Optional.empty() : HolePuncher.open(file, bytes));
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public boolean isReadOnly() {
    return readOnly;
  }

  @Override
  public boolean canDiscard() {
    return puncher.isPresent();
  }

  @Override
  public void read(ByteBuffer into, long at) throws IOException {
    long from = at;
    while (into.hasRemaining()) {
      int got = channel.read(into, from);
      if (got < 0) {
        throw new EOFException("the file has become shorter: bytes=" + channel.size());
      }
      from += got;
    }
  }

  @Override
  public void write(ByteBuffer from, long at) throws IOException {
    long to = at;
    while (from.hasRemaining()) {
      to += channel.write(from, to);
    }
  }

  @Override
  public void flush() throws IOException {
    if (!readOnly) {
      channel.force(false);
    }
  }

  @Override
  public void discard(long at, long length) throws IOException {
    if (puncher.isPresent()) {
      puncher.get().punch(at, length);
    }
  }

  @Override
  public void close() throws IOException {
    try (channel) {
      puncher.ifPresent(HolePuncher::close);
    }
  }
}

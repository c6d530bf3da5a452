package dev.domus.net.capture;

import dev.domus.net.packet.Packet;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * A capture in a file of the format pcapng (draft-ietf-opsawg-pcapng), with the interface's name,
 * times in nanoseconds, and the direction of each packet, seen from the guest.
 *
 * <pre>
 *   section header   0A0D0D0A  length  1A2B3C4D  1.0  -1            length
 *   interface        1         length  1 (Ethernet)  0  name  9     length
 *   packet           6         length  interface  time  captured  original  bytes  flags  length
 * </pre>
 *
 * <p>Packets are gathered and written together, at the latest after {@value #FLUSH_MILLIS} ms, so
 * whoever opens the file meanwhile finds whole blocks. What is captured is what the interface sees:
 * segments that are still to be cut, and sums that are still to be written, as with a capture on a
 * host whose network card does both. When the disk is full the capture ends, and the interface goes
 * on.
 */
public final class PcapngCapture implements Capture {
  private static final int SECTION = 0x0A0D0D0A, BYTE_ORDER = 0x1A2B3C4D;
  private static final int INTERFACE = 1, PACKET = 6;
  private static final int ETHERNET = 1;
  private static final int OPTION_END = 0,
      OPTION_NAME = 2,
      OPTION_DESCRIPTION = 3,
      OPTION_RESOLUTION = 9,
      OPTION_FLAGS = 2;
  private static final int NANOSECONDS = 9;
  private static final int INBOUND = 1, OUTBOUND = 2;
  private static final int BUFFER = 256 << 10;
  private static final long FLUSH_MILLIS = 200;
  private static final System.Logger LOG = System.getLogger(PcapngCapture.class.getName());

  private final Path path;
  private final FileChannel file;
  private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
  private final ScheduledFuture<?> flusher;
  private final long epochNanos;
  private boolean ended;

  /**
   * Begins a capture; a file that is there is overwritten.
   *
   * @param name the interface's
   * @param description what it is
   * @param timer flushes
   * @throws IOException if the file cannot be written
   */
  public PcapngCapture(Path path, String name, String description, ScheduledExecutorService timer)
      throws IOException {
    this.path = path;
    file =
        FileChannel.open(
            path,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
    Instant now = Instant.now();
    epochNanos = now.getEpochSecond() * 1_000_000_000L + now.getNano() - System.nanoTime();
    putHeaders(name, description);
    flush();
    flusher =
        timer.scheduleWithFixedDelay(
            this::flush, FLUSH_MILLIS, FLUSH_MILLIS, TimeUnit.MILLISECONDS);
  }

  private void putHeaders(String name, String description) {
    int start = begin(SECTION);
    buffer.putInt(BYTE_ORDER).putShort((short) 1).putShort((short) 0).putLong(-1);
    end(start);
    start = begin(INTERFACE);
    buffer.putShort((short) ETHERNET).putShort((short) 0).putInt(0);
    putOption(OPTION_NAME, name.getBytes(StandardCharsets.UTF_8));
    putOption(OPTION_DESCRIPTION, description.getBytes(StandardCharsets.UTF_8));
    putOption(OPTION_RESOLUTION, new byte[] {NANOSECONDS});
    buffer.putInt(OPTION_END);
    end(start);
  }

  private int begin(int type) {
    int start = buffer.position();
    buffer.putInt(type).putInt(0);
    return start;
  }

  private void end(int start) {
    int length = buffer.position() + Integer.BYTES - start;
    buffer.putInt(length).putInt(start + Integer.BYTES, length);
  }

  private void putOption(int code, byte[] value) {
    buffer.putShort((short) code).putShort((short) value.length).put(value);
    pad();
  }

  private void pad() {
    while ((buffer.position() & 3) != 0) {
      buffer.put((byte) 0);
    }
  }

  @Override
  public void sent(Packet packet) {
    put(packet, OUTBOUND);
  }

  @Override
  public void received(Packet packet) {
    put(packet, INBOUND);
  }

  private synchronized void put(Packet packet, int direction) {
    if (ended) {
      return;
    }
    if (buffer.remaining() < packet.length + 64) {
      flush();
    }
    long time = epochNanos + System.nanoTime();
    int start = begin(PACKET);
    buffer.putInt(0).putInt((int) (time >>> 32)).putInt((int) time);
    buffer.putInt(packet.length).putInt(packet.length).put(packet.data, 0, packet.length);
    pad();
    buffer.putShort((short) OPTION_FLAGS).putShort((short) 4).putInt(direction);
    buffer.putInt(OPTION_END);
    end(start);
  }

  private synchronized void flush() {
    if (ended) {
      return;
    }
    buffer.flip();
    try {
      while (buffer.hasRemaining()) {
        file.write(buffer);
      }
    } catch (IOException e) {
      LOG.log(Level.WARNING, "the capture in {0} ends here: {1}", path, e.getMessage());
      ended = true;
    }
    buffer.clear();
  }

  @Override
  public void close() {
    flusher.cancel(false);
    synchronized (this) {
      flush();
      ended = true;
      try {
        file.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}

package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import dev.domus.kernel.trace.TraceSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/** Writes a {@link TraceFile}. For one thread. */
final class TraceFileWriter implements AutoCloseable {
  private final FileChannel channel;
  private ByteBuffer chunk = TraceFile.buffer(1 << 16);

  /** Begins a file; one that was there is overwritten. */
  TraceFileWriter(Path file, TraceSpec spec, long startNanos, long wallMillis) throws IOException {
    channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
    ByteBuffer header = TraceFile.buffer(TraceFile.HEADER_BYTES);
    header.putLong(TraceFile.MAGIC).putInt(TraceFile.VERSION).putInt(TraceRecord.BYTES);
    header.putLong(startNanos).putLong(wallMillis);
    header.putLong(spec.events().stream().mapToLong(TraceEvent::bit).sum());
    write(header.flip());
  }

  void records(TraceBatch batch) throws IOException {
    int bytes = TraceFile.RECORDS_HEAD + batch.count() * TraceRecord.BYTES;
    ByteBuffer out = begin(TraceFile.RECORDS, bytes);
    out.putInt(batch.buffer()).putInt(0).putLong(batch.lost());
    out.asLongBuffer().put(batch.words(), 0, batch.count() * TraceRecord.WORDS);
    out.position(out.position() + batch.count() * TraceRecord.BYTES);
    write(out.flip());
  }

  void labels(Map<String, String> labels) throws IOException {
    StringBuilder text = new StringBuilder();
    labels.forEach((key, label) ->
        text.append(key).append('\t').append(label.replaceAll("[\t\n\r]", " ")).append('\n'));
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    write(begin(TraceFile.LABELS, bytes.length).put(bytes).flip());
  }

  void end(long dropped) throws IOException {
    write(begin(TraceFile.END, Long.BYTES).putLong(dropped).flip());
  }

  private ByteBuffer begin(int type, int bytes) {
    if (chunk.capacity() < TraceFile.CHUNK_BYTES + bytes) {
      chunk = TraceFile.buffer(TraceFile.CHUNK_BYTES + bytes);
    }
    return chunk.clear().putInt(type).putInt(bytes);
  }

  private void write(ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}

package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceRecord;
import dev.domus.toolstack.BadInputException;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/** Reads a {@link TraceFile} into memory. */
final class TraceFileReader {
  /** Words of records that fit into one array. */
  private static final int MOST_WORDS = Integer.MAX_VALUE - 8 & -TraceRecord.WORDS;

  private static final String REMEDY =
      "; \"domus run --trace FILE\" records one, and other formats are made of it with \"domus trace --export\"";

  private final Path file;
  private final Map<String, String> labels = new LinkedHashMap<>();
  private long[] words = new long[1 << 16];
  private int used;
  private long lost;
  private long dropped;
  private boolean complete;

  private TraceFileReader(Path file) {
    this.file = file;
  }

  /**
   * Reads a file.
   *
   * @throws BadInputException if it is none, or damaged
   */
  static TraceLog read(Path file) throws BadInputException {
    try (InputStream in = Files.newInputStream(file)) {
      return new TraceFileReader(file).read(in);
    } catch (NoSuchFileException e) {
      throw new BadInputException(file + ": there is no such file" + REMEDY);
    } catch (IOException e) {
      throw new BadInputException(file + ": cannot be read: " + e.getMessage());
    }
  }

  private TraceLog read(InputStream in) throws IOException, BadInputException {
    ByteBuffer header = header(in);
    for (byte[] head; (head = in.readNBytes(TraceFile.CHUNK_BYTES)).length > 0; ) {
      if (head.length < TraceFile.CHUNK_BYTES) {
        break; // the machine was ended while it wrote
      }
      ByteBuffer chunk = ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN);
      int type = chunk.getInt();
      int bytes = chunk.getInt();
      if (bytes < 0 || bytes > TraceFile.MOST_CHUNK_BYTES) {
        throw damaged("a chunk of %d bytes".formatted(bytes));
      }
      byte[] body = in.readNBytes(bytes);
      if (body.length < bytes) {
        break;
      }
      take(type, ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN));
    }
    return new TraceLog(
        Arrays.copyOf(words, used),
        header.getLong(TraceFile.START_AT),
        header.getLong(TraceFile.WALL_AT),
        header.getLong(TraceFile.EVENTS_AT),
        labels,
        new TraceLog.Losses(lost, dropped, complete));
  }

  private ByteBuffer header(InputStream in) throws IOException, BadInputException {
    byte[] bytes = in.readNBytes(TraceFile.HEADER_BYTES);
    ByteBuffer header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (bytes.length < TraceFile.HEADER_BYTES
        || header.getLong(TraceFile.MAGIC_AT) != TraceFile.MAGIC) {
      throw new BadInputException(file + ": is no trace of Domus" + REMEDY);
    }
    int version = header.getInt(TraceFile.VERSION_AT);
    int recordBytes = header.getInt(TraceFile.RECORD_BYTES_AT);
    if (version != TraceFile.VERSION || recordBytes != TraceRecord.BYTES) {
      throw new BadInputException(
          file
              + ": is a trace of version "
              + version
              + ", and this Domus reads version "
              + TraceFile.VERSION
              + "; read it with the Domus that wrote it");
    }
    return header;
  }

  private void take(int type, ByteBuffer body) throws EOFException, BadInputException {
    switch (type) {
      case TraceFile.RECORDS -> records(body);
      case TraceFile.LABELS ->
          StandardCharsets.UTF_8
              .decode(body)
              .toString()
              .lines()
              .forEach(line -> {
                int tab = line.indexOf('\t');
                if (tab > 0) {
                  labels.put(line.substring(0, tab), line.substring(tab + 1));
                }
              });
      case TraceFile.END -> {
        if (body.remaining() < Long.BYTES) {
          throw damaged("an end of %d bytes".formatted(body.remaining()));
        }
        dropped = body.getLong();
        complete = true;
      }
      default -> throw damaged("a chunk of type " + type);
    }
  }

  private void records(ByteBuffer body) throws BadInputException {
    int recordBytes = body.remaining() - TraceFile.RECORDS_HEAD;
    if (recordBytes < 0 || recordBytes % TraceRecord.BYTES != 0) {
      throw damaged("records of %d bytes".formatted(recordBytes));
    }
    lost += body.getLong(Long.BYTES);
    int count = recordBytes / Long.BYTES;
    if (used + (long) count > MOST_WORDS) {
      throw new BadInputException(
          file
              + ": has more than "
              + MOST_WORDS / TraceRecord.WORDS
              + " records; record fewer kinds of events (--trace-events), or for a shorter time");
    }
    if (used + count > words.length) {
      words =
          Arrays.copyOf(
              words, (int) Math.min(MOST_WORDS, Math.max(2L * words.length, used + count)));
    }
    body.position(TraceFile.RECORDS_HEAD)
        .slice()
        .order(ByteOrder.LITTLE_ENDIAN)
        .asLongBuffer()
        .get(words, used, count);
    used += count;
  }

  private BadInputException damaged(String what) {
    return new BadInputException(file + ": is damaged: " + what + "; record it again");
  }
}

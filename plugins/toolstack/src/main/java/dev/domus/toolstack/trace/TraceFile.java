package dev.domus.toolstack.trace;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The layout of a recorded trace, little-endian. A file is a header and chunks; it is written while
 * the machine runs, and what is there of a file that was cut off can be read.
 *
 * <pre>
 *   header   offset  0  magic   "DOMUSTRC"
 *                    8  version  {@value #VERSION}, 32 bits
 *                   12  bytes of a record, 32 bits
 *                   16  when recording began: nanoseconds on the machine's clock, 64 bits
 *                   24  the same: milliseconds since 1970, 64 bits
 *                   32  mask of the events that were recorded, 1 &lt;&lt; code, 64 bits
 *
 *   chunk    offset  0  type, 32 bits
 *                    4  bytes of what follows, 32 bits
 *
 *     RECORDS        0  number of the buffer, 32 bits
 *                    4  zero, 32 bits
 *                    8  records of this buffer lost before these, 64 bits
 *                   16  records, {@link dev.domus.kernel.trace.TraceRecord}
 *
 *     LABELS            UTF-8, lines of a key, a tab, and a text:
 *                         domain/1          a domain's name
 *                         weight/1, cap/1   its share
 *                         hypercall/29      a hypercall's name, hypercall/29/3 a command's
 *                         name/0            a name that records speak of by number
 *                         pcpus             how many the machine has
 *
 *     END            0  records not written because buffers were busy, 64 bits
 * </pre>
 */
final class TraceFile {
  static final int VERSION = 1;

  static final long MAGIC = 0x4352_5453_554D_4F44L; // "DOMUSTRC" as a little-endian number

  static final int MAGIC_AT = 0,
      VERSION_AT = 8,
      RECORD_BYTES_AT = 12,
      START_AT = 16,
      WALL_AT = 24,
      EVENTS_AT = 32,
      HEADER_BYTES = 40;

  static final int CHUNK_BYTES = 8;

  static final int RECORDS = 1, LABELS = 2, END = 3;

  /** Bytes before the records of a chunk. */
  static final int RECORDS_HEAD = 16;

  /** The most bytes that a chunk has: what claims more is damaged. */
  static final int MOST_CHUNK_BYTES = 1 << 26;

  private TraceFile() {}

  static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}

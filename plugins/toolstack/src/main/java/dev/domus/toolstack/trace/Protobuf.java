package dev.domus.toolstack.trace;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * One message in the wire format of protocol buffers (protobuf.dev, Encoding): as much of it as a
 * Perfetto trace needs. To be used again after {@link #clear}.
 */
final class Protobuf {
  private static final int VARINT = 0, FIXED64 = 1, LENGTH_DELIMITED = 2;
  private static final int LONGEST_VARINT = 10;

  private byte[] bytes = new byte[256];
  private int size;

  Protobuf clear() {
    size = 0;
    return this;
  }

  /** A field of type uint64, uint32, bool or enum; or int64, of which negative ones are long. */
  Protobuf number(int field, long value) {
    varint((long) field << 3 | VARINT);
    varint(value);
    return this;
  }

  Protobuf fixed64(int field, long value) {
    varint((long) field << 3 | FIXED64);
    room(Long.BYTES);
    for (int i = 0; i < Long.BYTES; i++) {
      bytes[size++] = (byte) (value >>> 8 * i);
    }
    return this;
  }

  Protobuf text(int field, String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    return delimited(field, utf8, utf8.length);
  }

  Protobuf message(int field, Protobuf nested) {
    return delimited(field, nested.bytes, nested.size);
  }

  private Protobuf delimited(int field, byte[] content, int length) {
    varint((long) field << 3 | LENGTH_DELIMITED);
    varint(length);
    room(length);
    System.arraycopy(content, 0, bytes, size, length);
    size += length;
    return this;
  }

  private void varint(long value) {
    room(LONGEST_VARINT);
    long rest = value;
    while ((rest & ~0x7FL) != 0) {
      bytes[size++] = (byte) (rest & 0x7F | 0x80);
      rest >>>= 7;
    }
    bytes[size++] = (byte) rest;
  }

  private void room(int more) {
    if (size + more > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, size + more));
    }
  }

  void writeTo(OutputStream out) throws IOException {
    out.write(bytes, 0, size);
  }
}

package dev.domus.toolstack.image;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;

/** Texts in images: bytes up to a NUL or the end of their field, in no declared encoding. */
final class Text {
  private Text() {}

  /** The text at the start of a field, without its NUL. */
  static String upToNul(MemorySegment field) {
    byte[] bytes = field.toArray(ValueLayout.JAVA_BYTE);
    int length = 0;
    while (length < bytes.length && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.ISO_8859_1);
  }
}

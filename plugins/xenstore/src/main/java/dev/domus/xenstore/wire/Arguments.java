package dev.domus.xenstore.wire;

import dev.domus.xenstore.tree.StoreError;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The payload of a request, taken apart: strings that each end with a NUL, in WRITE followed by
 * bytes that do not.
 */
final class Arguments {
  private static final int HIGHEST_DOMID = 0x7FEF;

  private final byte[] payload;

  Arguments(byte[] payload) {
    this.payload = payload;
  }

  /** The first string; others are ignored. */
  String first() {
    return strings(1).getFirst();
  }

  /** All strings, of which there have to be some. */
  List<String> strings(int least) {
    if (payload.length == 0 || payload[payload.length - 1] != 0) {
      throw StoreError.EINVAL.because(
          "a payload of strings ends with a NUL: length=" + payload.length);
    }
    List<String> strings = new ArrayList<>();
    for (int start = 0; start < payload.length; ) {
      int end = nul(start);
      strings.add(text(start, end));
      start = end + 1;
    }
    if (strings.size() < least) {
      throw StoreError.EINVAL.because(
          "too few arguments: expected=%d found=%d".formatted(least, strings.size()));
    }
    return strings;
  }

  /** The path before the bytes of WRITE. */
  String pathOfWrite() {
    int end = nul(0);
    if (end == payload.length) {
      throw StoreError.EINVAL.because("a path ends with a NUL: length=" + payload.length);
    }
    return text(0, end);
  }

  /** The bytes after the path of WRITE; there may be none. */
  byte[] valueOfWrite() {
    return Arrays.copyOfRange(payload, nul(0) + 1, payload.length);
  }

  /** A domain id. */
  static int domid(String text) {
    return number(text, HIGHEST_DOMID);
  }

  /** A decimal number from 0 to a limit. */
  static int number(String text, int limit) {
    long number = 0;
    for (int i = 0; i < text.length(); i++) {
      int digit = text.charAt(i) - '0';
      number = number * 10 + digit;
      if (digit < 0 || digit > 9 || number > limit) {
        throw notANumber(text, limit);
      }
    }
    if (text.isEmpty()) {
      throw notANumber(text, limit);
    }
    return (int) number;
  }

  private static RuntimeException notANumber(String text, int limit) {
    return StoreError.EINVAL.because(
        "not a number from 0 to %d: argument=%s".formatted(limit, text));
  }

  private int nul(int from) {
    int at = from;
    while (at < payload.length && payload[at] != 0) {
      at++;
    }
    return at;
  }

  private String text(int from, int to) {
    return new String(payload, from, to - from, StandardCharsets.ISO_8859_1);
  }
}

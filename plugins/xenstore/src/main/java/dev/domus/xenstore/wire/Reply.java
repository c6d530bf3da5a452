package dev.domus.xenstore.wire;

import java.nio.charset.StandardCharsets;

/**
 * The answer to one request.
 *
 * @param type the request's type, or {@link MessageType#ERROR}
 * @param payload at most {@link MessageLayout#PAYLOAD_MAX} bytes
 */
public record Reply(int type, byte[] payload) {
  static Reply text(int type, String text) {
    return new Reply(type, text.getBytes(StandardCharsets.ISO_8859_1));
  }

  static Reply ok(int type) {
    return text(type, "OK\0");
  }

  static Reply error(String name) {
    return text(MessageType.ERROR, name + "\0");
  }
}

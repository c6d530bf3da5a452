package dev.domus.net.packet;

import java.util.Optional;

/** A MAC address as a number of 48 bits, and its text. */
public final class MacAddress {
  private static final int BYTES = 6;

  private MacAddress() {}

  /** Reads six hexadecimal pairs separated by colons. */
  public static Optional<Long> parse(String text) {
    String[] parts = text.split(":", -1);
    if (parts.length != BYTES) {
      return Optional.empty();
    }
    long mac = 0;
    for (String part : parts) {
      if (!part.matches("[0-9a-fA-F]{2}")) {
        return Optional.empty();
      }
      mac = mac << 8 | Integer.parseInt(part, 16);
    }
    return Optional.of(mac);
  }

  /** The usual text. */
  public static String text(long mac) {
    StringBuilder text = new StringBuilder();
    for (int shift = 40; shift >= 0; shift -= 8) {
      text.append(text.isEmpty() ? "" : ":").append("%02x".formatted(mac >>> shift & 0xFF));
    }
    return text.toString();
  }

  /** Whether it is the address of a group, broadcast among them. */
  public static boolean isGroup(long mac) {
    return (mac & FrameLayout.GROUP_BIT) != 0;
  }
}

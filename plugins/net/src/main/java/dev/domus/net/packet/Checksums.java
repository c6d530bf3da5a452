package dev.domus.net.packet;

import static dev.domus.net.packet.FrameLayout.*;

/** The Internet checksum (RFC 1071): of IP headers, and of TCP and UDP with their pseudo-header. */
public final class Checksums {
  private Checksums() {}

  /**
   * Adds bytes to a sum.
   *
   * @param from an even place counts as such whatever its offset
   * @return not folded
   */
  public static long add(long sum, byte[] data, int from, int end) {
    long total = sum;
    int at = from;
    for (; at + 8 <= end; at += 8) {
      long word = Bytes.i64(data, at);
      total += (word >>> 32) + (word & 0xFFFF_FFFFL);
    }
    for (; at + 2 <= end; at += 2) {
      total += Bytes.u16(data, at);
    }
    return at < end ? total + (Bytes.u8(data, at) << 8) : total;
  }

  /** Folds a sum and complements it: what stands in a header. */
  public static int finish(long sum) {
    long folded = (sum >>> 32) + (sum & 0xFFFF_FFFFL);
    folded = (folded >>> 32) + (folded & 0xFFFF_FFFFL);
    folded = (folded >>> 16) + (folded & 0xFFFF);
    folded = (folded >>> 16) + (folded & 0xFFFF);
    folded = (folded >>> 16) + (folded & 0xFFFF);
    return (int) ~folded & 0xFFFF;
  }

  /** The sum of a range, 0 over one that holds its own right sum. */
  public static int of(byte[] data, int from, int end) {
    return finish(add(0, data, from, end));
  }

  /** Writes the sum of an IPv4 header. */
  public static void putIp4(byte[] data, int network) {
    int header = (data[network] & 0xF) * 4;
    Bytes.putU16(data, network + IP4_CHECKSUM, 0);
    Bytes.putU16(data, network + IP4_CHECKSUM, of(data, network, network + header));
  }

  /** The sum of a transport header, its data and its pseudo-header; 0 if the right one is there. */
  public static int transport(byte[] data, Headers headers) {
    int length = headers.end - headers.transport;
    long sum =
        headers.version == 4
            ? add(0, data, headers.network + IP4_SOURCE, headers.network + IP4_SOURCE + 8)
            : add(0, data, headers.network + IP6_SOURCE, headers.network + IP6_SOURCE + 32);
    sum += headers.protocol + length;
    return finish(add(sum, data, headers.transport, headers.end));
  }

  /**
   * Writes the sum that a packet's sender has left out.
   *
   * @param headers of this packet
   * @return whether there was a place for one
   */
  public static boolean complete(Packet packet, Headers headers) {
    byte[] data = packet.data;
    int place;
    if (headers.version != 0 && headers.isTcp(data)) {
      place = headers.transport + TCP_CHECKSUM;
    } else if (headers.version != 0 && headers.isUdp()) {
      place = headers.transport + UDP_CHECKSUM;
    } else {
      return false;
    }
    Bytes.putU16(data, place, 0);
    int sum = transport(data, headers);
    // A sum of 0 in UDP would mean that there is none (RFC 768).
    Bytes.putU16(data, place, sum == 0 && headers.protocol == PROTO_UDP ? 0xFFFF : sum);
    packet.checksumBlank = false;
    packet.validated = true;
    return true;
  }
}

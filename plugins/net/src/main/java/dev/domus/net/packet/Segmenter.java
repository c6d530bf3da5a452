package dev.domus.net.packet;

import static dev.domus.net.packet.FrameLayout.*;

/**
 * Does what a sender has left to others, for receivers that take only whole packets: writes the sum
 * that was left out, and cuts a large TCP segment into packets of the size that its sender named.
 *
 * <p>Each piece has the headers of the whole, with its own lengths, sequence number, IPv4
 * identification and sums. FIN and PSH are the last one's, CWR is the first one's (RFC 3168,
 * 6.1.2). Not thread-safe, allocates nothing.
 */
public final class Segmenter {
  private final Headers headers = new Headers();
  private final Packet piece = new Packet();

  /** Makes one. */
  public Segmenter() {}

  /**
   * Gives a packet to a receiver, completed.
   *
   * @return false if a piece was refused, or if the packet claims to be what it is not
   */
  public boolean pass(Packet packet, PacketSink receiver) {
    if (packet.gsoSize == 0) {
      if (packet.checksumBlank && !(headers.read(packet) && Checksums.complete(packet, headers))) {
        return false;
      }
      return receiver.receive(packet);
    }
    return isWhatItClaims(packet, headers) && cut(packet, receiver);
  }

  /**
   * Whether a packet that is to be cut can be: TCP over the version of IP that it says. Reads its
   * headers.
   */
  public static boolean isWhatItClaims(Packet packet, Headers headers) {
    return headers.read(packet)
        && headers.isTcp(packet.data)
        && headers.version == (packet.gsoType == Packet.GSO_TCP4 ? 4 : 6);
  }

  private boolean cut(Packet packet, PacketSink receiver) {
    byte[] whole = packet.data;
    int payload = headers.transport + headers.tcpHeader(whole);
    int end = headers.end;
    int network = headers.network;
    int transport = headers.transport;
    int version = headers.version;
    int sequence = Bytes.i32(whole, transport + TCP_SEQUENCE);
    int flags = Bytes.u8(whole, transport + TCP_FLAGS);
    int id = version == 4 ? Bytes.u16(whole, network + IP4_ID) : 0;
    System.arraycopy(whole, 0, piece.data, 0, payload);
    boolean all = true;
    int number = 0;
    int from = payload;
    do {
      int count = Math.min(packet.gsoSize, end - from);
      byte[] data = piece.data;
      System.arraycopy(whole, from, data, payload, count);
      piece.reset(payload + count);
      if (version == 4) {
        Bytes.putU16(data, network + IP4_TOTAL_LENGTH, piece.length - network);
        Bytes.putU16(data, network + IP4_ID, id + number);
        Checksums.putIp4(data, network);
      } else {
        Bytes.putU16(data, network + IP6_PAYLOAD_LENGTH, piece.length - network - IP6_HEADER);
      }
      Bytes.putI32(data, transport + TCP_SEQUENCE, sequence + from - payload);
      int kept = flags;
      if (from + count < end) {
        kept &= ~(FIN | PSH);
      }
      if (number > 0) {
        kept &= ~CWR;
      }
      data[transport + TCP_FLAGS] = (byte) kept;
      headers.read(piece);
      Checksums.complete(piece, headers);
      all &= receiver.receive(piece);
      from += count;
      number++;
    } while (from < end);
    return all;
  }
}

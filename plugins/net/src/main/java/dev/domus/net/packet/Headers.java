package dev.domus.net.packet;

import static dev.domus.net.packet.FrameLayout.*;

/**
 * Where the headers of a frame are. Looks at nothing beyond the frame's length, whatever its length
 * fields say; used again and again. Not thread-safe.
 */
public final class Headers {
  /** IPv6's extension headers: hop-by-hop, routing, fragment, destination options. */
  private static final int HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60;

  private static final int MAX_EXTENSIONS = 8;

  /** The Ethernet type, of what is behind a VLAN tag if there is one. */
  public int etherType;

  /** Where the network header begins. */
  public int network;

  /** 4, 6, or 0 if it is neither or is cut off. */
  public int version;

  /** The protocol above IP, or -1 if there is none that could be read. */
  public int protocol;

  /** Where the transport header begins; only with a {@link #protocol}. */
  public int transport;

  /** Where the IP packet ends: not behind the frame's end. */
  public int end;

  /** It is a fragment. */
  public boolean fragment;

  /** Makes one that has read nothing. */
  public Headers() {}

  /** Reads a frame. Returns whether it has a whole Ethernet header. */
  public boolean read(Packet packet) {
    byte[] data = packet.data;
    version = 0;
    protocol = -1;
    fragment = false;
    end = packet.length;
    network = ETH_HEADER;
    if (packet.length < ETH_HEADER) {
      etherType = 0;
      return false;
    }
    etherType = Bytes.u16(data, ETH_TYPE);
    if (etherType == TYPE_VLAN && packet.length >= ETH_HEADER + VLAN_TAG) {
      etherType = Bytes.u16(data, ETH_TYPE + VLAN_TAG);
      network += VLAN_TAG;
    }
    if (etherType == TYPE_IP4) {
      readIp4(data, packet.length);
    } else if (etherType == TYPE_IP6) {
      readIp6(data, packet.length);
    }
    return true;
  }

  private void readIp4(byte[] data, int length) {
    if (length < network + IP4_HEADER || Bytes.u8(data, network) >>> 4 != 4) {
      return;
    }
    int header = (data[network] & 0xF) * 4;
    int total = Bytes.u16(data, network + IP4_TOTAL_LENGTH);
    if (header < IP4_HEADER || total < header || network + total > length) {
      return;
    }
    version = 4;
    end = network + total;
    int fragments = Bytes.u16(data, network + IP4_FRAGMENT);
    fragment = (fragments & (IP4_MORE_FRAGMENTS | IP4_OFFSET_MASK)) != 0;
    transport = network + header;
    protocol = Bytes.u8(data, network + IP4_PROTOCOL);
  }

  private void readIp6(byte[] data, int length) {
    if (length < network + IP6_HEADER || Bytes.u8(data, network) >>> 4 != 6) {
      return;
    }
    int payload = Bytes.u16(data, network + IP6_PAYLOAD_LENGTH);
    if (network + IP6_HEADER + payload > length) {
      return;
    }
    version = 6;
    end = network + IP6_HEADER + payload;
    int at = network + IP6_HEADER;
    int next = Bytes.u8(data, network + IP6_NEXT);
    for (int i = 0; i < MAX_EXTENSIONS && isExtension(next); i++) {
      if (at + 8 > end) {
        return;
      }
      fragment |= next == FRAGMENT;
      int size = next == FRAGMENT ? 8 : 8 * (Bytes.u8(data, at + 1) + 1);
      next = Bytes.u8(data, at);
      at += size;
    }
    if (at <= end && !isExtension(next)) {
      transport = at;
      protocol = next;
    }
  }

  private static boolean isExtension(int next) {
    return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == DESTINATION;
  }

  /** Whether there is a whole TCP header; its options are within the packet then. */
  public boolean isTcp(byte[] data) {
    return protocol == PROTO_TCP
        && !fragment
        && transport + TCP_HEADER <= end
        && tcpHeader(data) >= TCP_HEADER
        && transport + tcpHeader(data) <= end;
  }

  /** Length of the TCP header. */
  public int tcpHeader(byte[] data) {
    return (Bytes.u8(data, transport + TCP_OFFSET) >>> 4) * 4;
  }

  /** Whether there is a whole UDP header. */
  public boolean isUdp() {
    return protocol == PROTO_UDP && !fragment && transport + UDP_HEADER <= end;
  }
}

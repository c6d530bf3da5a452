package dev.domus.net.packet;

/**
 * Offsets and numbers of the headers that the backend reads: Ethernet (IEEE 802.3, 802.1Q), ARP
 * (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792).
 */
public final class FrameLayout {
  /** Ethernet. */
  public static final int ETH_DEST = 0, ETH_SOURCE = 6, ETH_TYPE = 12, ETH_HEADER = 14;

  /** Ethernet types. */
  public static final int TYPE_IP4 = 0x0800,
      TYPE_ARP = 0x0806,
      TYPE_VLAN = 0x8100,
      TYPE_IP6 = 0x86DD;

  /** Length of a VLAN tag. */
  public static final int VLAN_TAG = 4;

  /** All stations. */
  public static final long BROADCAST = 0xFFFF_FFFF_FFFFL;

  /** The bit of a MAC address that makes it a group's. */
  public static final long GROUP_BIT = 1L << 40;

  /** IPv4, from the start of its header. */
  public static final int IP4_TOTAL_LENGTH = 2,
      IP4_ID = 4,
      IP4_FRAGMENT = 6,
      IP4_TTL = 8,
      IP4_PROTOCOL = 9,
      IP4_CHECKSUM = 10,
      IP4_SOURCE = 12,
      IP4_DEST = 16,
      IP4_HEADER = 20;

  /** IPv4's fragment field: more fragments, and the offset. */
  public static final int IP4_MORE_FRAGMENTS = 0x2000, IP4_OFFSET_MASK = 0x1FFF;

  /** IPv6, from the start of its header. */
  public static final int IP6_PAYLOAD_LENGTH = 4,
      IP6_NEXT = 6,
      IP6_SOURCE = 8,
      IP6_DEST = 24,
      IP6_HEADER = 40;

  /** Protocols above IP. */
  public static final int PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17;

  /** TCP, from the start of its header. */
  public static final int TCP_SOURCE_PORT = 0,
      TCP_DEST_PORT = 2,
      TCP_SEQUENCE = 4,
      TCP_ACK = 8,
      TCP_OFFSET = 12,
      TCP_FLAGS = 13,
      TCP_WINDOW = 14,
      TCP_CHECKSUM = 16,
      TCP_HEADER = 20;

  /** TCP's flags. */
  public static final int FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, CWR = 128;

  /** UDP, from the start of its header. */
  public static final int UDP_SOURCE_PORT = 0,
      UDP_DEST_PORT = 2,
      UDP_LENGTH = 4,
      UDP_CHECKSUM = 6,
      UDP_HEADER = 8;

  private FrameLayout() {}
}

package dev.domus.net.packet;

/**
 * A frame on its way through the backend, with what its sender has left to others. It is a place to
 * keep one, used again and again: whoever is given one reads it until it returns, may complete it
 * (sums that were left out), and copies what is to stay.
 *
 * <p>What the sender may have left out, as with network hardware that does it:
 *
 * <ul>
 *   <li>the TCP or UDP checksum ({@link #checksumBlank});
 *   <li>cutting a TCP segment to the size that the receiver can take ({@link #gsoSize}); then the
 *       checksum is left out too.
 * </ul>
 *
 * Not thread-safe.
 */
public final class Packet {
  /** Most bytes of a frame: an IP packet behind an Ethernet header with a VLAN tag. */
  public static final int MAX_BYTES = 65535 + 18;

  /** Kinds of segments to be cut. */
  public static final int GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 2;

  /** The frame, from its destination address on, without check sequence. */
  public final byte[] data = new byte[MAX_BYTES];

  /** How long the frame is. */
  public int length;

  /** The sum of the transport header is not there, and the packet has never left this host. */
  public boolean checksumBlank;

  /** The sum is known to be right. */
  public boolean validated;

  /** What a segment is to be cut into: bytes of payload; 0 if it is not to be cut. */
  public int gsoSize;

  /** Which kind of segment; {@link #GSO_NONE} if it is not to be cut. */
  public int gsoType;

  /** Makes an empty one. */
  public Packet() {}

  /** Makes it a plain frame of a length. */
  public void reset(int newLength) {
    length = newLength;
    checksumBlank = false;
    validated = false;
    gsoSize = 0;
    gsoType = GSO_NONE;
  }

  /** Makes it equal to another. */
  public void set(Packet other) {
    System.arraycopy(other.data, 0, data, 0, other.length);
    length = other.length;
    checksumBlank = other.checksumBlank;
    validated = other.validated;
    gsoSize = other.gsoSize;
    gsoType = other.gsoType;
  }

  /** Makes it equal to a plain frame. */
  public void set(byte[] frame, int offset, int count) {
    reset(count);
    System.arraycopy(frame, offset, data, 0, count);
  }
}

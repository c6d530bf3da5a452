package dev.domus.net.packet;

import java.util.Arrays;

/**
 * Packets that wait for their receiver, first in, first out, in one array: what waits for a guest
 * is bounded in bytes, and a packet that waits is no object. The array grows as it is needed, and
 * shrinks to nothing when the queue is closed.
 *
 * <pre>
 *   record:  u32 length | u16 gsoSize | u8 gsoType | u8 flags | length bytes   (wrapping at the end)
 * </pre>
 *
 * <p>Thread-safe: any number of threads offer and poll.
 */
public final class PacketQueue {
  private static final int HEADER = 8;
  private static final int FIRST_BYTES = 16 << 10;
  private static final int BLANK = 1, VALIDATED = 2;

  private final int capacity;
  private final int most;
  private byte[] ring = {};
  private int head;
  private int used;
  private int count;
  private boolean refused;
  private boolean closed;
  private final byte[] header = new byte[HEADER];

  /**
   * Makes an empty queue.
   *
   * @param capacity most bytes that wait, headers of {@value #HEADER} bytes each included
   * @param most most packets that wait
   */
  public PacketQueue(int capacity, int most) {
    this.capacity = capacity;
    this.most = most;
  }

  /** Adds a packet if there is room. */
  public synchronized boolean offer(Packet packet) {
    int needed = HEADER + packet.length;
    if (closed || count == most || used + needed > capacity) {
      refused = true;
      return false;
    }
    if (used + needed > ring.length) {
      grow(used + needed);
    }
    Bytes.putI32(header, 0, packet.length);
    Bytes.putU16(header, 4, packet.gsoSize);
    header[6] = (byte) packet.gsoType;
    header[7] = (byte) ((packet.checksumBlank ? BLANK : 0) | (packet.validated ? VALIDATED : 0));
    put(header, HEADER);
    put(packet.data, packet.length);
    count++;
    return true;
  }

  private void put(byte[] source, int length) {
    int to = head + used;
    to = to >= ring.length ? to - ring.length : to;
    int first = Math.min(length, ring.length - to);
    System.arraycopy(source, 0, ring, to, first);
    System.arraycopy(source, first, ring, 0, length - first);
    used += length;
  }

  private void grow(int needed) {
    int size = Math.max(FIRST_BYTES, ring.length);
    while (size < needed) {
      size *= 2;
    }
    byte[] larger = new byte[Math.min(size, capacity)];
    int first = Math.min(used, ring.length - head);
    System.arraycopy(ring, head, larger, 0, first);
    System.arraycopy(ring, 0, larger, first, used - first);
    ring = larger;
    head = 0;
  }

  /** Length of the first packet, or -1 if there is none. */
  public synchronized int nextLength() {
    return count == 0 ? -1 : peekHeader();
  }

  private int peekHeader() {
    for (int i = 0; i < HEADER; i++) {
      int at = head + i;
      header[i] = ring[at >= ring.length ? at - ring.length : at];
    }
    return Bytes.i32(header, 0);
  }

  /** Whether the first packet is one that is to be cut. */
  public synchronized boolean nextIsSegment() {
    return count != 0 && peekHeader() >= 0 && header[6] != Packet.GSO_NONE;
  }

  /** Takes the first packet. */
  public synchronized boolean poll(Packet into) {
    if (count == 0) {
      return false;
    }
    into.length = peekHeader();
    into.gsoSize = Bytes.u16(header, 4);
    into.gsoType = header[6];
    into.checksumBlank = (header[7] & BLANK) != 0;
    into.validated = (header[7] & VALIDATED) != 0;
    int from = head + HEADER;
    from = from >= ring.length ? from - ring.length : from;
    int first = Math.min(into.length, ring.length - from);
    System.arraycopy(ring, from, into.data, 0, first);
    System.arraycopy(ring, 0, into.data, first, into.length - first);
    head = from + into.length;
    head = head >= ring.length ? head - ring.length : head;
    used -= HEADER + into.length;
    count--;
    return true;
  }

  /** How many packets wait. */
  public synchronized int size() {
    return count;
  }

  /**
   * Whether a packet has been refused since this was last asked, and half the room is free now: to
   * be told to whoever holds packets back.
   */
  public synchronized boolean hasRoomAgain() {
    if (refused && used <= capacity / 2 && count <= most / 2) {
      refused = false;
      return true;
    }
    return false;
  }

  /** Forgets all packets, and takes no more. */
  public synchronized void close() {
    closed = true;
    forget();
  }

  /** Forgets all packets. */
  public synchronized void forget() {
    ring = Arrays.copyOf(ring, 0);
    head = 0;
    used = 0;
    count = 0;
  }
}

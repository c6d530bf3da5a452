package dev.domus.net.netif;

import dev.domus.net.packet.Bytes;
import dev.domus.net.packet.FrameLayout;
import dev.domus.net.packet.Headers;
import dev.domus.net.packet.Packet;
import java.util.Arrays;

/**
 * Which of a guest's receive queues a packet goes to. As long as the guest has set up nothing, a
 * flow stays with a queue of our choice. Through the control ring it may give a key, say what of a
 * packet is hashed, and map hashes to queues (receive-side scaling); it is told the hash of each
 * packet then.
 *
 * <p>Changed by the control ring's worker while others read: each change is one assignment of an
 * immutable whole.
 */
public final class HashSteering {
  /** Hash algorithms. */
  static final int NONE = 0, TOEPLITZ = 1;

  /** What may be hashed, as numbers of hash types; flags are bits of these numbers. */
  static final int IP4 = 0, IP4_TCP = 1, IP6 = 2, IP6_TCP = 3;

  static final int ALL_FLAGS = 0xF;

  /** Longest key, and largest mapping. */
  static final int MAX_KEY = 40, MAX_MAPPING = 128;

  private record Setting(int algorithm, int flags, byte[] key, int[] mapping) {}

  private static final Setting UNSET = new Setting(NONE, 0, new byte[MAX_KEY], new int[0]);

  private volatile Setting setting = UNSET;

  /** Makes one that the guest has not set up. */
  public HashSteering() {}

  /** Goes back to the beginning, for another driver. */
  public void reset() {
    setting = UNSET;
  }

  int flags() {
    return setting.flags;
  }

  synchronized boolean setAlgorithm(int algorithm) {
    if (algorithm != NONE && algorithm != TOEPLITZ) {
      return false;
    }
    Setting now = setting;
    setting = new Setting(algorithm, now.flags, now.key, now.mapping);
    return true;
  }

  synchronized boolean setFlags(int flags) {
    Setting now = setting;
    if ((flags & ~ALL_FLAGS) != 0 || now.algorithm == NONE) {
      return false;
    }
    setting = new Setting(now.algorithm, flags, now.key, now.mapping);
    return true;
  }

  /** Sets the key: shorter ones are continued with zeros. */
  synchronized void setKey(byte[] bytes) {
    Setting now = setting;
    setting = new Setting(now.algorithm, now.flags, Arrays.copyOf(bytes, MAX_KEY), now.mapping);
  }

  int mappingSize() {
    return setting.mapping.length;
  }

  synchronized boolean setMappingSize(int size) {
    if (size < 0 || size > MAX_MAPPING) {
      return false;
    }
    Setting now = setting;
    setting = new Setting(now.algorithm, now.flags, now.key, new int[size]);
    return true;
  }

  /** Sets entries of the mapping; queues that do not exist are refused. */
  synchronized boolean setMapping(int offset, int[] queues, int queueCount) {
    Setting now = setting;
    if (offset < 0 || offset > now.mapping.length - queues.length) {
      return false;
    }
    for (int queue : queues) {
      if (queue < 0 || queue >= queueCount) {
        return false;
      }
    }
    int[] changed = now.mapping.clone();
    System.arraycopy(queues, 0, changed, offset, queues.length);
    setting = new Setting(now.algorithm, now.flags, now.key, changed);
    return true;
  }

  /**
   * The type of a packet's hash, as the guest is told it.
   *
   * @param headers of the packet
   * @return negative if it is to be told none
   */
  public int type(Packet packet, Headers headers) {
    Setting now = setting;
    if (now.algorithm == NONE || headers.version == 0) {
      return -1;
    }
    int plain = headers.version == 4 ? IP4 : IP6;
    int withPorts = plain + 1;
    if ((now.flags & 1 << withPorts) != 0 && headers.isTcp(packet.data)) {
      return withPorts;
    }
    return (now.flags & 1 << plain) != 0 ? plain : -1;
  }

  /** The hash of a packet of a {@link #type}. */
  public int hash(Packet packet, Headers headers, int type) {
    byte[] key = setting.key;
    int addresses = headers.version == 4 ? 8 : 32;
    int from =
        headers.network + (headers.version == 4 ? FrameLayout.IP4_SOURCE : FrameLayout.IP6_SOURCE);
    int hash = Toeplitz.hash(key, 0, 0, packet.data, from, addresses);
    return type == IP4_TCP || type == IP6_TCP
        ? Toeplitz.hash(key, hash, addresses, packet.data, headers.transport, 4)
        : hash;
  }

  /** The queue of a packet whose hash the guest is told. */
  public int queue(int hash, int queueCount) {
    int[] mapping = setting.mapping;
    if (mapping.length == 0) {
      return Integer.remainderUnsigned(hash, queueCount);
    }
    int queue = mapping[Integer.remainderUnsigned(hash, mapping.length)];
    return queue < queueCount ? queue : 0;
  }

  /** The queue of another packet: the same for all of a flow. */
  public static int flowQueue(Packet packet, Headers headers, int queueCount) {
    if (queueCount == 1 || headers.version == 0) {
      return 0;
    }
    int at = headers.network + (headers.version == 4 ? FrameLayout.IP4_SOURCE : 8);
    int words = headers.version == 4 ? 2 : 8;
    int mixed = headers.protocol;
    for (int i = 0; i < words; i++) {
      mixed = (mixed ^ Bytes.i32(packet.data, at + 4 * i)) * 0x9E3779B1;
    }
    if (headers.isTcp(packet.data) || headers.isUdp()) {
      mixed = (mixed ^ Bytes.i32(packet.data, headers.transport)) * 0x9E3779B1;
    }
    return Integer.remainderUnsigned(mixed ^ mixed >>> 15, queueCount);
  }
}

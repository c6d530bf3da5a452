package dev.domus.net.netif;

/**
 * The Toeplitz hash (Microsoft, <i>Verifying the RSS Hash Calculation</i>), by which receive queues
 * are chosen: for each bit of the input that is set, 32 bits of the key from that bit on.
 */
final class Toeplitz {
  private Toeplitz() {}

  /**
   * Goes on with a hash.
   *
   * @param key 40 bytes and more: input that reaches beyond it meets zeros
   * @param hash so far
   * @param position of the input's first byte in the whole input
   */
  static int hash(byte[] key, int hash, int position, byte[] data, int from, int length) {
    int result = hash;
    for (int i = 0; i < length; i++) {
      long window = window(key, position + i);
      int bits = data[from + i];
      for (int bit = 0; bit < 8; bit++) {
        if ((bits & 0x80 >>> bit) != 0) {
          result ^= (int) (window >>> 8 - bit);
        }
      }
    }
    return result;
  }

  /** The 40 bits of a key from a byte on. */
  private static long window(byte[] key, int at) {
    long window = 0;
    for (int i = 0; i < 5; i++) {
      window = window << 8 | (at + i < key.length ? key[at + i] & 0xFF : 0);
    }
    return window;
  }
}

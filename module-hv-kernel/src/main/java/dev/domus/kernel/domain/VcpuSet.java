package dev.domus.kernel.domain;

import java.util.Arrays;

/**
 * The vCPUs that a guest names in a flush: a copy of its bitmap, bit n of which is vCPU n.
 *
 * <p>As many 64-bit words are read as the domain's vCPUs need, and what bits there are beyond its
 * last vCPU means nobody (xen-pv-abi.md, 6.2 and 6.3). Used by one vCPU's thread.
 */
public final class VcpuSet {
  private final long[] words;

  VcpuSet(int vcpus) {
    words = new long[(vcpus + Long.SIZE - 1) / Long.SIZE];
  }

  /** The set of all vCPUs of a domain with so many. */
  static VcpuSet all(int vcpus) {
    VcpuSet set = new VcpuSet(vcpus);
    Arrays.fill(set.words, -1L);
    return set;
  }

  /**
   * Reads the guest's bitmap, once.
   *
   * @param va where it is
   * @throws dev.domus.kernel.hypercall.GuestFault if a part of it cannot be read
   */
  public void read(GuestAccess guest, long va) {
    for (int i = 0; i < words.length; i++) {
      words[i] = guest.getLong(va + 8L * i);
    }
  }

  /**
   * Says whether a vCPU of the domain is in the set.
   *
   * @param id its number
   */
  public boolean contains(int id) {
    return (words[id >>> 6] >>> id & 1) != 0;
  }
}

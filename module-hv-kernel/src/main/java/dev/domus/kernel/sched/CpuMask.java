package dev.domus.kernel.sched;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * A set of pCPU numbers: the machine's to operators, those of its run queue to a scheduler.
 * Immutable.
 */
public final class CpuMask {
  /** Every pCPU, however many there are. */
  public static final CpuMask ALL = new CpuMask(null);

  private final long[] bits; // null: all

  private CpuMask(long[] bits) {
    this.bits = bits;
  }

  /**
   * The mask of the given pCPUs.
   *
   * @throws IllegalArgumentException if a number is negative or none is given
   */
  public static CpuMask of(int... pcpus) {
    if (pcpus.length == 0) {
      throw new IllegalArgumentException("a CPU mask needs at least one pCPU");
    }
    int max = 0;
    for (int pcpu : pcpus) {
      if (pcpu < 0) {
        throw new IllegalArgumentException("pCPU numbers start at 0: pcpu=" + pcpu);
      }
      max = Math.max(max, pcpu);
    }
    long[] bits = new long[(max >> 6) + 1];
    for (int pcpu : pcpus) {
      bits[pcpu >> 6] |= 1L << pcpu;
    }
    return new CpuMask(bits);
  }

  /** Whether the pCPU is in the set. */
  public boolean contains(int pcpu) {
    long[] b = bits;
    return b == null || (pcpu >> 6 < b.length && (b[pcpu >> 6] >>> pcpu & 1) != 0);
  }

  /** Whether any of the pCPUs 0 … {@code pcpus} - 1 is in the set. */
  public boolean containsAnyBelow(int pcpus) {
    for (int pcpu = 0; pcpu < pcpus; pcpu++) {
      if (contains(pcpu)) {
        return true;
      }
    }
    return false;
  }

  /** The pCPUs 64 {@code i} … 64 {@code i} + 63, a bit each. */
  long word(int i) {
    long[] b = bits;
    return b == null ? -1 : i < b.length ? b[i] : 0;
  }

  /** All pCPUs, with their numbers modulo 64: what is not in here is not in the set. */
  long folded() {
    long[] b = bits;
    if (b == null) {
      return -1;
    }
    long all = 0;
    for (long word : b) {
      all |= word;
    }
    return all;
  }

  /**
   * The set as a run queue sees it that numbers some pCPUs anew. A set that has none of them
   * becomes {@link #ALL}: what cannot be kept is not kept half.
   *
   * @param numbers for each new number, from 0 on, the number here
   */
  public CpuMask renumbered(int[] numbers) {
    if (bits == null) {
      return ALL;
    }
    int[] mine = IntStream.range(0, numbers.length).filter(i -> contains(numbers[i])).toArray();
    return mine.length == 0 || mine.length == numbers.length ? ALL : of(mine);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof CpuMask mask && Arrays.equals(bits, mask.bits);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bits);
  }

  /** As the command line writes it: {@code all} or {@code 0,2,3}. */
  @Override
  public String toString() {
    if (bits == null) {
      return "all";
    }
    StringBuilder text = new StringBuilder();
    for (int pcpu = 0; pcpu < bits.length * 64; pcpu++) {
      if (contains(pcpu)) {
        text.append(text.isEmpty() ? "" : ",").append(pcpu);
      }
    }
    return text.toString();
  }
}

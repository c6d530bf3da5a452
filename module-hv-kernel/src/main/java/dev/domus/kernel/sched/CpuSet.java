package dev.domus.kernel.sched;

/**
 * A set of pCPUs of a run queue that a scheduler keeps, such as those that idle. Mutable, where
 * {@link CpuMask} is not, and of fixed capacity. A search looks at 64 pCPUs at a time. Not
 * thread-safe: for use in calls of the kernel into a scheduler. Allocates nothing after its making.
 */
public final class CpuSet {
  private final long[] words;

  /**
   * An empty set.
   *
   * @param pcpus how many pCPUs there are: numbers are 0 … {@code pcpus} - 1
   */
  public CpuSet(int pcpus) {
    words = new long[(pcpus + 63) >> 6];
  }

  /** Puts a pCPU in. */
  public void add(int pcpu) {
    words[pcpu >> 6] |= 1L << pcpu;
  }

  /** Takes a pCPU out. */
  public void remove(int pcpu) {
    words[pcpu >> 6] &= ~(1L << pcpu);
  }

  /** Whether a pCPU is in the set. */
  public boolean contains(int pcpu) {
    return (words[pcpu >> 6] >>> pcpu & 1) != 0;
  }

  /** Whether it is empty. */
  public boolean isEmpty() {
    for (long word : words) {
      if (word != 0) {
        return false;
      }
    }
    return true;
  }

  /** The lowest number from {@code from} on in the set, or -1. */
  public int next(int from) {
    for (int i = from >> 6; i < words.length; i++) {
      long word = i == from >> 6 ? words[i] & -1L << from : words[i];
      if (word != 0) {
        return (i << 6) + Long.numberOfTrailingZeros(word);
      }
    }
    return -1;
  }

  /**
   * The member that is best for a unit: of those that its affinity allows, and of these, if there
   * are any, those that its soft affinity names, the one that ran it last, else the lowest.
   *
   * @return -1 if its affinity allows none
   */
  public int bestFor(SchedUnit unit) {
    CpuMask hard = unit.affinity();
    CpuMask soft = unit.softAffinity();
    int last = unit.lastPcpu();
    boolean lastIsIn =
        last >= 0 && last < words.length << 6 && contains(last) && hard.contains(last);
    if (lastIsIn && soft.contains(last)) {
      return last;
    }
    int allowed = -1;
    for (int i = 0; i < words.length; i++) {
      long word = words[i] & hard.word(i);
      long preferred = word & soft.word(i);
      if (preferred != 0) {
        return (i << 6) + Long.numberOfTrailingZeros(preferred);
      }
      if (allowed < 0 && word != 0) {
        allowed = (i << 6) + Long.numberOfTrailingZeros(word);
      }
    }
    return lastIsIn ? last : allowed;
  }
}

package dev.domus.kernel.trace;

/**
 * The layout of a record: four words of 64 bits, in memory as in files (there little-endian).
 *
 * <pre>
 *          63            48 47            32 31            16 15     8 7      0
 *         +----------------+----------------+----------------+--------+--------+
 *   TIME  |          nanoseconds on the machine's monotonic clock              |
 *         +----------------+----------------+----------------+--------+--------+
 *   HEAD  |      pCPU      |      vCPU      |     domain     | detail |  code  |
 *         +----------------+----------------+----------------+--------+--------+
 *   A     |                     as {@link TraceEvent} says                            |
 *         +--------------------------------------------------------------------+
 *   B     |                     as {@link TraceEvent} says                            |
 *         +--------------------------------------------------------------------+
 * </pre>
 *
 * <p>The pCPU is the one on whose thread the record was written, {@link #NO_PCPU} for other
 * threads. Where a kind speaks of no vCPU, domain and vCPU are those of {@link #IDLE}.
 */
public final class TraceRecord {
  /** Words of a record. */
  public static final int WORDS = 4;

  /** Bytes of a record. */
  public static final int BYTES = WORDS * Long.BYTES;

  /** Offsets in words. */
  public static final int TIME = 0, HEAD = 1, A = 2, B = 3;

  /** The pCPU of records that other threads have written. */
  public static final int NO_PCPU = 0xFFFF;

  /** The domain of the idle vCPU, Xen's DOMID_IDLE. */
  public static final int IDLE = 0x7FFF;

  private static final int DETAIL_SHIFT = 8, DOMID_SHIFT = 16, VCPU_SHIFT = 32, PCPU_SHIFT = 48;

  private TraceRecord() {}

  /** Packs the second word. */
  public static long head(int code, int detail, int domid, int vcpu, int pcpu) {
    return code
        | (detail & 0xFFL) << DETAIL_SHIFT
        | (domid & 0xFFFFL) << DOMID_SHIFT
        | (vcpu & 0xFFFFL) << VCPU_SHIFT
        | (pcpu & 0xFFFFL) << PCPU_SHIFT;
  }

  /** The kind of record that a second word belongs to. */
  public static int code(long head) {
    return (int) head & 0xFF;
  }

  /** The detail of a second word, unsigned. */
  public static int detail(long head) {
    return (int) (head >>> DETAIL_SHIFT) & 0xFF;
  }

  /** The domain of a second word. */
  public static int domid(long head) {
    return (int) (head >>> DOMID_SHIFT) & 0xFFFF;
  }

  /** The vCPU of a second word. */
  public static int vcpu(long head) {
    return (int) (head >>> VCPU_SHIFT) & 0xFFFF;
  }

  /** The pCPU of a second word. */
  public static int pcpu(long head) {
    return (int) (head >>> PCPU_SHIFT);
  }

  /** Domain and vCPU of a second word, as {@link #vcpuKey}. */
  public static int vcpuOf(long head) {
    return vcpuKey(domid(head), vcpu(head));
  }

  /** Domain and vCPU in one number, the domain in the high half; −1 is no vCPU. */
  public static int vcpuKey(int domid, int vcpu) {
    return domid << 16 | vcpu & 0xFFFF;
  }

  /** Two halves in one word. */
  public static long pair(int high, int low) {
    return (long) high << 32 | low & 0xFFFFFFFFL;
  }

  /** The high half of a word. */
  public static int high(long word) {
    return (int) (word >>> 32);
  }

  /** The low half of a word, unsigned. */
  public static long low(long word) {
    return word & 0xFFFFFFFFL;
  }
}

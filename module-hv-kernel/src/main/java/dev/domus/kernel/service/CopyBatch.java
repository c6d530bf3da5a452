package dev.domus.kernel.service;

/**
 * Copies that are made together, by one hypercall, and again and again: what {@link GrantCopy} is
 * for the reader, in arrays, so that who copies per packet or per sector allocates nothing. Made
 * once, filled, given to {@link Hypercalls#copy(CopyBatch)}, looked at, cleared.
 *
 * <p>Each copy is between a page that a domain has granted and a page of the caller's own. Not
 * thread-safe.
 */
public final class CopyBatch {
  private final int[] domids;
  private final int[] refs;
  private final int[] grantedOffsets;
  private final long[] gfns;
  private final int[] ownOffsets;
  private final int[] lengths;
  private final boolean[] outward;
  private final int[] statuses;
  private int size;

  /**
   * Makes an empty batch.
   *
   * @param capacity most copies at a time
   */
  public CopyBatch(int capacity) {
    domids = new int[capacity];
    refs = new int[capacity];
    grantedOffsets = new int[capacity];
    gfns = new long[capacity];
    ownOffsets = new int[capacity];
    lengths = new int[capacity];
    outward = new boolean[capacity];
    statuses = new int[capacity];
  }

  /** Forgets all copies. */
  public void clear() {
    size = 0;
  }

  /** How many copies there are. */
  public int size() {
    return size;
  }

  /** How many more there can be. */
  public int room() {
    return lengths.length - size;
  }

  /**
   * Adds a copy from a granted page to one of the caller's own.
   *
   * @param grantedOffset in the granted page, 0 to 4095
   * @param gfn the own page
   * @param ownOffset in the own page, 0 to 4095
   * @param length bytes; neither end may cross its page
   * @return its number in the batch
   */
  public int addInward(int domid, int ref, int grantedOffset, long gfn, int ownOffset, int length) {
    return add(domid, ref, grantedOffset, gfn, ownOffset, length, false);
  }

  /** Adds a copy from a page of the caller's own to a granted one. */
  public int addOutward(
      long gfn, int ownOffset, int domid, int ref, int grantedOffset, int length) {
    return add(domid, ref, grantedOffset, gfn, ownOffset, length, true);
  }

  private int add(
      int domid,
      int ref,
      int grantedOffset,
      long gfn,
      int ownOffset,
      int length,
      boolean isOutward) {
    int index = size;
    domids[index] = domid;
    refs[index] = ref;
    grantedOffsets[index] = grantedOffset;
    gfns[index] = gfn;
    ownOffsets[index] = ownOffset;
    lengths[index] = length;
    outward[index] = isOutward;
    statuses[index] = 0;
    size = index + 1;
    return index;
  }

  /** What became of a copy: 0, or a negative status of the ABI. */
  public int status(int index) {
    return statuses[index];
  }

  /** Says what became of a copy. For whoever makes them. */
  public void setStatus(int index, int status) {
    statuses[index] = status;
  }

  /** The granting domain of a copy. */
  public int domid(int index) {
    return domids[index];
  }

  /** The grant reference of a copy. */
  public int ref(int index) {
    return refs[index];
  }

  /** Where in the granted page a copy begins. */
  public int grantedOffset(int index) {
    return grantedOffsets[index];
  }

  /** The caller's own page of a copy. */
  public long gfn(int index) {
    return gfns[index];
  }

  /** Where in the caller's own page a copy begins. */
  public int ownOffset(int index) {
    return ownOffsets[index];
  }

  /** The length of a copy in bytes. */
  public int length(int index) {
    return lengths[index];
  }

  /** Whether a copy goes to the granted page. */
  public boolean isOutward(int index) {
    return outward[index];
  }
}

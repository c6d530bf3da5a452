package dev.domus.kernel.mmu;

/**
 * References on frames for whoever is not a page table: grants, registered vcpu_info pages, event
 * arrays. A general reference keeps a frame from being reused; a writable one also keeps it from
 * becoming a page table or descriptor page. Lock-free; any thread.
 */
public interface FrameReferences {
  /** Takes a general reference if the frame is allocated to the domain. */
  boolean get(int domid, long mfn);

  /** Gives a general reference back. The frame is freed with its last one. */
  void put(long mfn);

  /**
   * Takes a general and a writable type reference; fails if the frame is not the domain's or has
   * another type in use.
   */
  boolean getWritable(int domid, long mfn);

  /** Gives back what {@link #getWritable} took. */
  void putWritable(long mfn);
}

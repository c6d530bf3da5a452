package dev.domus.memory;

/**
 * A number of frames set aside for somebody, such as a domain that is being built: what the claim
 * still covers cannot be allocated by anybody else, so a build that began does not run out half
 * way.
 *
 * <p>A claim is of a number, not of particular frames. Single frames never fail while it covers
 * them; a larger block may, when no free memory is contiguous. Thread-safe.
 */
public final class FrameClaim implements AutoCloseable {
  private final FrameAllocator allocator;
  private long remaining; // guarded by the allocator's lock

  FrameClaim(FrameAllocator allocator, long frames) {
    this.allocator = allocator;
    remaining = frames;
  }

  /** Number of frames that the claim still covers. */
  public long remaining() {
    return allocator.remaining(this);
  }

  /**
   * Allocates as {@link FrameAllocator#allocate(int)} does, out of the claim as far as it reaches.
   *
   * @return the first frame, or {@link FrameAllocator#OUT_OF_MEMORY}
   */
  public long allocate(int order) {
    return allocator.allocate(order, Long.MAX_VALUE, this);
  }

  /** Gives up what the claim still covers. */
  @Override
  public void close() {
    allocator.giveUp(this);
  }

  // ---- under the allocator's lock ----

  long covered() {
    return remaining;
  }

  void used(long frames) {
    remaining -= frames;
  }
}

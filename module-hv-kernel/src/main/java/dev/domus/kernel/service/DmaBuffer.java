package dev.domus.kernel.service;

/**
 * Memory that a driver has registered for its device: pages of the domain's own, or pages that it
 * has mapped by grants. Registered memory is not reached by the device; parts of it are mapped for
 * a request and unmapped after it. Until the buffer is closed its frames stay what they are: one
 * that the domain gives back meanwhile is freed then, and a grant stays mapped.
 *
 * <p>Addresses are the device's. What a mapping covers, the mode of protection says: whole pages in
 * all of them but {@code shadow}, which shows the device the bytes that were mapped and nothing
 * else of their pages.
 *
 * <p>Thread-safe, and no method but {@link #close} allocates. Errors are {@link
 * HypercallException}s: EINVAL for a range that is not the buffer's or an unmapping of what is not
 * mapped, EPERM for a permission that the buffer does not have, ENOMEM if there is no memory or
 * bounce buffer, ENOSPC if there are no addresses or too many mappings, ESRCH if buffer, device or
 * domain is no more there.
 */
public interface DmaBuffer extends AutoCloseable {
  /** Permission: the device may read, write. */
  int READ = 1, WRITE = 2;

  /** Its size in bytes; offsets are below it. */
  long size();

  /** Whether devices can be let write. */
  boolean writable();

  /**
   * Maps a part, whose pages the device sees one after another. If it may read, it sees what is
   * there now.
   *
   * @param offset of the first byte
   * @param length bytes, at least 1
   * @param permissions {@link #READ}, {@link #WRITE} or both
   * @return the address of the first byte
   */
  long map(long offset, long length, int permissions);

  /**
   * Maps pages in any order as one range: scatter–gather.
   *
   * @param pages numbers of pages of the buffer, in the order in which the device is to see them
   * @param from index of the first
   * @param count how many
   * @return the address of the first byte of the first page
   */
  long mapPages(int[] pages, int from, int count, int permissions);

  /**
   * Maps a part that driver and device use at the same time, such as a ring: whatever the mode,
   * both see the same memory, and unmapping is strict.
   */
  long mapCoherent(long offset, long length, int permissions);

  /** Ends a mapping; what the device has written is there afterwards. */
  void unmap(long address, long length);

  /** Within a mapping that goes on: the driver has written, the device is about to read. */
  void toDevice(long address, long length);

  /** Within a mapping that goes on: the device has written, the driver is about to read. */
  void fromDevice(long address, long length);

  /**
   * Unmaps what is mapped, waits until the device reaches none of it in any way, and gives the
   * frames back. A second call does nothing.
   */
  @Override
  void close();
}

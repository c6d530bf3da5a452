package dev.domus.kernel.service;

/**
 * A device's registers: what answers when a guest reads or writes I/O memory or ports that a plugin
 * has claimed.
 *
 * <p>Called on the thread of the vCPU that makes the access, in the midst of an instruction;
 * several vCPUs may call at once. A handler answers at once: it may send events and hand work to
 * threads of its own, but waits for nothing, and makes no call that waits for a guest (mapping and
 * unmapping among them). Accesses are aligned to their size; what a guest does otherwise arrives
 * byte by byte. Nothing makes a read and a write that belong to one instruction atomic against
 * other vCPUs. One that throws is reported; its read gives all ones.
 */
public interface IoHandler {
  /**
   * A read.
   *
   * @param offset in bytes from the start of the claim, aligned to the size
   * @param size 1, 2, 4 or 8 bytes; 1, 2 or 4 of ports
   * @return the value; bits beyond the size are ignored
   */
  long load(long offset, int size);

  /**
   * A write.
   *
   * @param offset in bytes from the start of the claim, aligned to the size
   * @param size 1, 2, 4 or 8 bytes; 1, 2 or 4 of ports
   * @param value zero-extended
   */
  void store(long offset, int size, long value);
}

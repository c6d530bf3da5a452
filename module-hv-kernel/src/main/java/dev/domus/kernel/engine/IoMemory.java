package dev.domus.kernel.engine;

/**
 * What lies beyond RAM, as one vCPU's engine reaches it.
 *
 * <p>A page walk with {@link dev.domus.memory.paging.PageWalk#DEVICE} may give a machine address
 * that is not in {@link EngineMachine#memory}. An engine then asks {@link #isReachable} and makes
 * the access here, each time anew: it keeps neither the translation nor the answer, so that
 * whatever changes takes effect with the next access. Where it is not reachable the access is a
 * page fault that says <em>not present</em>. Instructions are not fetched from I/O memory: that is
 * a page fault with <em>present</em> and <em>fetch</em>. A locked operation is a read and a write,
 * not atomic against other vCPUs' plain accesses.
 *
 * <p>Called from inside {@link VcpuEngine#run} by the vCPU's thread.
 */
public interface IoMemory {
  /**
   * Says whether the domain may reach the frame of an address at this moment. The answer holds for
   * the instruction.
   *
   * @param ma a machine address beyond RAM
   */
  boolean isReachable(long ma);

  /**
   * Reads from a device.
   *
   * @param ma where; the bytes are in one frame that {@link #isReachable} has found so
   * @param size 1, 2, 4 or 8 bytes
   * @return the value, zero-extended
   */
  long load(long ma, int size);

  /**
   * Writes to a device.
   *
   * @param ma where, as for {@link #load}
   * @param size 1, 2, 4 or 8 bytes
   * @param value bits beyond the size are ignored
   */
  void store(long ma, int size, long value);
}

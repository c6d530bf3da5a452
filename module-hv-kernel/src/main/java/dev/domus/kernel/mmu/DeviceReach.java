package dev.domus.kernel.mmu;

/**
 * What the devices of one domain reach of memory, by machine address. Thread-safe; may be called
 * with any lock held, and takes none that is held while an MMU lock is waited for.
 */
public interface DeviceReach {
  /**
   * The devices reach a frame from now on, which they did not.
   *
   * @param writable whether they may write
   * @return false if there is no memory for the tables; they do not reach it then
   */
  boolean open(long mfn, boolean writable);

  /**
   * The devices reach a frame no more, whether or not they did. When this returns no access of
   * theirs to it is under way, and none can begin.
   */
  void withdraw(long mfn);
}

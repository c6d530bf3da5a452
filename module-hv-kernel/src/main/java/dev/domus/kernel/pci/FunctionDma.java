package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;

/**
 * What one function reaches of memory, and who says so. A new one reaches nothing. All methods are
 * thread-safe, and may be called in any state.
 */
public interface FunctionDma {
  /** The function's port; the same for its whole life. */
  DmaPort port();

  /** From now on the function acts for a domain: what that may reach, it may. */
  void attach(int domid);

  /**
   * The function acts for nobody any more. Whatever it reached, when this returns true it has no
   * access under way and begins none.
   *
   * @param timeoutNanos how long to wait for the accesses under way
   * @return false if there still are some: none begins, and frames are kept from other uses until
   *     they end
   */
  boolean detach(long timeoutNanos);

  /** Lets the function send requests at all, or not: the bus-master bit. Off for a new one. */
  void enable(boolean busMaster);

  /**
   * Nothing more for this function, from now on and until the next {@link #attach}; does not wait
   * for accesses under way.
   */
  void quarantine();

  /** Sends a message to the interrupt address range in the function's name. */
  void message(long address, int data);
}

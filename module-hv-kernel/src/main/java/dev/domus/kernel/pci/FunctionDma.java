package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;

/**
 * What one function reaches of memory, and who says so. A new one reaches nothing. All methods are
 * thread-safe, and may be called in any state.
 */
public interface FunctionDma {
  /** The function's port; the same for its whole life. */
  DmaPort port();

  /**
   * From now on the function acts for a domain: what that may reach, it may.
   *
   * @return false, and it reaches nothing, if there is no memory for it
   */
  boolean attach(int domid);

  /**
   * The function acts for nobody any more. Whatever it reached, when this returns true it has no
   * access under way and begins none. Waits as long as an access takes, some microseconds.
   *
   * @return false if one does not end: none begins, and frames are kept from other uses until it
   *     does
   */
  boolean detach();

  /** Lets the function send requests at all, or not: the bus-master bit. Off for a new one. */
  void enable(boolean busMaster);

  /**
   * Nothing more for this function, from now on and until the next {@link #attach}; as {@link
   * #detach} else.
   */
  void quarantine();

  /** Sends a message to the interrupt address range in the function's name. */
  void message(long address, int data);

  /** The function is unplugged: its port works no more. */
  void close();
}

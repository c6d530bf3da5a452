package dev.domus.kernel.event;

/**
 * How a pending port reaches its domain. One instance serves one domain; all methods are lock-free,
 * allocate nothing, and may be called from any thread.
 *
 * <p>There is one class an ABI, and one for the dead. A domain that switches its ABI
 * (EVTCHNOP_init_control, EVTCHNOP_reset) gets another instance.
 */
sealed interface PortDelivery permits TwoLevelDelivery, FifoDelivery, HandlerDelivery, NoDelivery {
  /** How many ports the ABI can name, port 0 included. */
  int ports();

  /** Makes a port pending and tells the domain, unless it was pending already. */
  void setPending(Port port);

  /** Takes back what nobody has consumed, for a port that is closed or newly bound. */
  void clearPending(Port port);

  /** Clears the port's mask; if it is pending, tells the domain. */
  void unmask(Port port);

  /** Says whether the port is pending, masked or not. */
  boolean isPending(Port port);

  /** Says whether the port is masked. */
  boolean isMasked(Port port);
}

package dev.domus.kernel.service;

import dev.domus.kernel.control.Control;

/**
 * The hypercalls of a service domain, bound to its identity. All methods are thread-safe and throw
 * {@link HypercallException} with the ABI's error number when refused.
 *
 * <p>Handlers run one at a time on the domain's event thread, with the pending bit cleared before
 * the call; several notifications that arrive in between are one call. A handler that throws is
 * logged and its port is closed.
 */
public interface Hypercalls {
  /** Allocates a port that one remote domain may bind to (EVTCHNOP_alloc_unbound). */
  EventPort allocUnbound(int remoteDomid, Runnable handler);

  /**
   * Binds to a port that a remote domain has allocated for this one (EVTCHNOP_bind_interdomain). As
   * the ABI says, the new port is pending at once, so the handler is called at least once.
   */
  EventPort bindInterdomain(int remoteDomid, int remotePort, Runnable handler);

  /** Binds a global virtual interrupt such as VIRQ_DOM_EXC (EVTCHNOP_bind_virq). */
  EventPort bindVirq(int virq, Runnable handler);

  /**
   * Maps a frame that a domain has granted to this one (GNTTABOP_map_grant_ref).
   *
   * @param domid the granting domain
   * @param ref its grant reference
   * @param writable whether to map for writing
   */
  GrantMapping mapGrant(int domid, int ref, boolean writable);

  /** The first frame beyond RAM: where I/O memory can be claimed. */
  long ioMemoryStart();

  /**
   * Claims I/O memory for a device: accesses of guests that may reach it go to the handler.
   *
   * @param firstFrame machine frame number, {@link #ioMemoryStart} at least
   * @throws HypercallException EPERM, EINVAL if the range is empty or not wholly I/O memory, EBUSY
   *     if somebody has claimed a part of it
   */
  IoClaim claimIoMemory(long firstFrame, long frames, IoHandler handler);

  /** Claims ports for a device, as {@link #claimIoMemory} does memory. */
  IoClaim claimIoPorts(int first, int count, IoHandler handler);

  /** Control of other domains (domctl and sysctl); refused with EPERM to an unprivileged domain. */
  Control control();
}

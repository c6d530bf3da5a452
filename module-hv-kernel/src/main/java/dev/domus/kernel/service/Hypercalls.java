package dev.domus.kernel.service;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.device.InterruptKind;
import java.util.ArrayList;
import java.util.List;

/**
 * The hypercalls of a service domain, bound to its identity: each method makes the hypercall that
 * it names, through the table, the checks and the counters that a guest's go through. All methods
 * are thread-safe and throw {@link HypercallException} with the ABI's error number when refused;
 * all are refused (ESRCH) once the domain has shut down or ended.
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
   * Allocates a port in another domain, for a third one to bind to, on its behalf
   * (EVTCHNOP_alloc_unbound).
   */
  int allocUnboundIn(int domid, int remoteDomid);

  /** Describes a port of a domain (EVTCHNOP_status). */
  PortStatus portStatus(int domid, int port);

  /** Closes all ports of another domain (EVTCHNOP_reset). */
  void resetPorts(int domid);

  /**
   * Maps a frame that a domain has granted to this one (GNTTABOP_map_grant_ref).
   *
   * @param domid the granting domain
   * @param ref its grant reference
   * @param writable whether to map for writing
   */
  GrantMapping mapGrant(int domid, int ref, boolean writable);

  /**
   * Maps frames that a domain has granted to this one, all or none, as one window.
   *
   * @param refs at least one
   */
  GrantMapping mapGrants(int domid, int[] refs, boolean writable);

  /**
   * The same, and puts the frames behind guest frame numbers of this domain's: for whoever else
   * reaches its memory by number, such as a device.
   *
   * @param gfn the first of as many free numbers, not 0
   */
  GrantMapping mapGrantsAt(int domid, int[] refs, boolean writable, long gfn);

  /**
   * Copies between pages that were granted to this domain and its own (GNTTABOP_copy). Copies that
   * are refused do not keep the others from being made.
   *
   * @return for each its status: 0, or a negative one of the ABI
   */
  int[] copy(List<GrantCopy> copies);

  /**
   * The same for a batch, which says afterwards what became of each. Allocates nothing.
   *
   * @param batch cleared by the caller, not here
   */
  default void copy(CopyBatch batch) {
    List<GrantCopy> copies = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      GrantCopy.Place granted =
          new GrantCopy.Granted(batch.domid(i), batch.ref(i), batch.grantedOffset(i));
      GrantCopy.Place own = new GrantCopy.Own(batch.gfn(i), batch.ownOffset(i));
      boolean outward = batch.isOutward(i);
      copies.add(new GrantCopy(outward ? own : granted, outward ? granted : own, batch.length(i)));
    }
    int[] statuses = copy(copies);
    for (int i = 0; i < statuses.length; i++) {
      batch.setStatus(i, statuses[i]);
    }
  }

  /** How many frames a domain's grant table has (GNTTABOP_query_size). */
  int grantTableFrames(int domid);

  /** The version of a domain's grant table (GNTTABOP_get_version). */
  int grantTableVersion(int domid);

  /** This domain's own grants. */
  OwnGrants grants();

  /** This domain's own memory. */
  DomainMemory memory();

  /**
   * Shuts this domain down (SCHEDOP_shutdown): no handler is called and no hypercall made any more.
   *
   * @param reason of {@link dev.domus.kernel.control.DomainInfo}
   */
  void shutdown(int reason);

  /** Shuts another domain down (SCHEDOP_remote_shutdown). */
  void remoteShutdown(int domid, int reason);

  /** The hypervisor's version and features (xen_version). */
  HypervisorVersion version();

  /** Writes to the machine's console (CONSOLEIO_write). */
  void writeConsole(byte[] text);

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

  /**
   * Reads configuration space of a PCI function.
   *
   * @param offset 0 to 4095, aligned to the size
   * @param size 1, 2 or 4 bytes
   * @return zero-extended; all ones if there is no such function
   * @throws HypercallException EPERM
   */
  int readConfig(RequesterId function, int offset, int size);

  /**
   * Writes configuration space of a PCI function. What it brings about (a reset, say) is done when
   * this returns, which may take seconds.
   */
  void writeConfig(RequesterId function, int offset, int size, int value);

  /**
   * Maps an interrupt vector of a function to a domain that has the function (PHYSDEVOP_map_pirq).
   *
   * @param vector 0 with MSI, the number of an entry with MSI-X
   * @return the physical interrupt's number in the domain
   */
  int mapPirq(int domid, RequesterId function, InterruptKind kind, int vector);

  /** Takes {@link #mapPirq} back (PHYSDEVOP_unmap_pirq). */
  void unmapPirq(int domid, int pirq);

  /**
   * Opens a function that this domain has, to drive it. One driver at a time.
   *
   * @param mode how its DMA is protected: {@code strict}, or the name of a plugin's mode
   * @param gfn first of the numbers where the mode may put pages, if it wants any: as many free
   *     ones as the mode wants (shadow 1024)
   * @throws HypercallException ENODEV if the domain does not have it, EBUSY if it is open, EINVAL
   *     if there is no such mode, EPERM if the mode is not for this domain or machine, ENOMEM
   */
  DriverDevice openDevice(RequesterId function, String mode, long gfn);

  /**
   * Control of other domains (domctl and sysctl). Each operation asks whether this domain may; to
   * an unprivileged domain all are refused (EPERM).
   */
  Control control();
}

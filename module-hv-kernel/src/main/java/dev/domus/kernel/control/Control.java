package dev.domus.kernel.control;

import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.Window;
import java.util.List;
import java.util.Optional;

/**
 * The control interface. All methods are thread-safe; they throw {@link HypercallException}: ESRCH
 * for a domain that does not exist, EPERM for one that the caller may not control, ENOMEM where
 * memory ran out, EINVAL for arguments out of range. A call that throws has changed nothing.
 */
public interface Control {
  /** Makes an empty, paused domain and returns its id. */
  int createDomain(DomainSpec spec);

  /**
   * Ends a service domain other than domain 0: what its code still does fails. Or stops a guest
   * domain, takes all its resources back, and forgets it. Returns when its frames are free, except
   * for those that others still have mapped; these follow when the last mapping goes.
   */
  void destroyDomain(int domid);

  /**
   * Keeps a domain from running. Returns when none of its vCPUs is on a pCPU. Pauses are counted.
   */
  void pause(int domid);

  /** Takes one pause back. A new domain has one. */
  void unpause(int domid);

  /** Shuts a domain down on the guest's behalf with a reason of {@link DomainInfo}. */
  void shutdown(int domid, int reason);

  /** All guest domains, by id. */
  List<DomainInfo> domains();

  /** One domain, guest or service. */
  Optional<DomainInfo> domain(int domid);

  /**
   * Sets machine memory aside for a domain, so that what is begun does not run out half way: until
   * the domain has so many pages, those that are missing cannot be allocated to anybody else.
   *
   * @param pages how many the domain is to have, those it has included; 0 gives the rest of the
   *     claim up
   */
  void claim(int domid, long pages);

  /**
   * Gives a domain frames for a range of its guest frame numbers and enters them in P2M and M2P;
   * contents are zero.
   */
  void populate(int domid, long firstPfn, long count);

  /** The machine frame behind a guest frame, or −1 if there is none. */
  long mfn(int domid, long pfn);

  /**
   * Maps a range of a domain's guest frames into the caller (a foreign mapping). The window is
   * contiguous whether or not the frames are.
   */
  Window mapForeign(int domid, long firstPfn, int pages, boolean writable);

  /** Pins a page table on the guest's behalf, validating it. */
  void pinTable(int domid, int level, long mfn);

  /** Sets where vCPU 0 starts. */
  void setStart(int domid, VcpuStart start);

  /**
   * Enters a grant of one of the domain's guest frames in its grant table, as the toolstack does
   * for the rings.
   */
  void seedGrant(int domid, int ref, int granteeDomid, long pfn);

  /**
   * Lets a domain map I/O frames into its page tables, or not any more. Where the right is taken
   * away while they are mapped, the mappings stay and accesses through them are page faults when
   * this returns.
   *
   * @param firstFrame machine frame number, beyond RAM
   */
  void permitIoMemory(int domid, long firstFrame, long frames, boolean allowed);

  /** Lets a domain use ports, or not any more. */
  void permitIoPorts(int domid, int first, int count, boolean allowed);

  /** Allocates a port in a domain for a remote one to bind to, on the domain's behalf. */
  int allocUnbound(int domid, int remoteDomid);

  /**
   * Notes from now on which pages of a translated domain, which a service domain is, are written;
   * or does so no more. EOPNOTSUPP for other domains.
   */
  void setDirtyLogging(int domid, boolean on);

  /**
   * The pages that were written since they were last asked for, and those that somebody may be
   * writing.
   *
   * @param gfn the first guest frame
   * @return bit {@code i} for guest frame {@code gfn + i}
   */
  long[] collectDirty(int domid, long gfn, int pages);

  /**
   * What a crashed domain looked like: registers, code bytes, page-table path of the faulting
   * address, stack.
   */
  Optional<String> crashReport(int domid);

  /** The hypercalls that a domain has made, most frequent first. */
  List<CallCount> hypercallCounts(int domid);

  /** The cpupools. */
  List<PoolInfo> pools();

  /** Changes a domain's weight and cap. */
  void setShare(int domid, int weight, int cap);

  /**
   * Replaces a pool's scheduler while its vCPUs run.
   *
   * @return how long the pool was held and what was handed over
   */
  SwapResult swapScheduler(String pool, String scheduler);
}

package dev.domus.kernel.control;

import dev.domus.kernel.access.Denial;
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
   * Stops a domain, takes all its resources back, and forgets it. Returns when its frames are free,
   * except for those that others still have mapped; these follow when the last mapping goes.
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

  /** One domain. */
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
   * What a crashed domain looked like: registers, code bytes, page-table path of the faulting
   * address, stack.
   */
  Optional<String> crashReport(int domid);

  /** The hypercalls that a domain has made, most frequent first. */
  List<CallCount> hypercallCounts(int domid);

  // ---- who may do what

  /** The name of the access policy in force. */
  String accessPolicy();

  /**
   * Replaces the access policy; operations under way have been decided by the old one.
   *
   * @param name one that is there; {@code default} for the built-in one
   * @param argument what the policy is to be made of, such as a file of rules
   * @throws HypercallException EINVAL if there is no such policy, or it can make nothing of the
   *     argument; the message is for users
   */
  void setAccessPolicy(String name, Optional<String> argument);

  /** What was refused to whom, and how often; of each caller, and of callers, the last last. */
  List<Denial> denials();

  // ---- scheduling

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

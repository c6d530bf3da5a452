package dev.domus.kernel.control;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.Window;
import java.util.List;
import java.util.Map;
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

  /**
   * Types on the machine's console, which privileged domains read with console_io; VIRQ_CONSOLE
   * tells its handler.
   *
   * @return how many bytes of it there was room for
   */
  int typeOnConsole(byte[] text);

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

  // ---- PCI devices

  /** The machine's PCI functions, by requester id. */
  List<PciDevice> pciDevices();

  /**
   * Makes a device and puts it on the bus; it is nobody's, and reaches nothing.
   *
   * @param model the name of a device model
   * @param options what is said of it, name to text; what is absent gets its default
   * @throws HypercallException EINVAL with a message for users if there is no such model, an option
   *     is wrong, or the place is taken; EOPNOTSUPP on a deterministic machine
   */
  void plugDevice(String model, RequesterId id, Map<String, String> options);

  /** Takes a device off the bus, out of the hands of whoever has it; ENODEV if there is none. */
  void unplugDevice(RequesterId id);

  /**
   * Gives a device to a domain, reset: by DMA it reaches what the domain may write. Its regions are
   * given by {@link #permitIoMemory}. Waits for the device, seconds if that is slow.
   *
   * @throws HypercallException ENODEV if there is none, EBUSY if somebody has it, EIO if it has
   *     failed, ESRCH if the domain is going
   */
  void assignDevice(int domid, RequesterId id);

  /**
   * Takes a device back from a domain, with its interrupts and the right to its regions: when this
   * returns it reaches nothing of the domain's. Waits for the device as above; ENODEV if the domain
   * does not have it.
   */
  void deassignDevice(int domid, RequesterId id);

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

  /** The cpupools, by number. */
  List<PoolInfo> pools();

  /** The pCPUs that are in no cpupool, ascending. */
  List<Integer> freePcpus();

  /**
   * Makes a cpupool without pCPUs.
   *
   * @param parameters of its scheduler, name to text; what is absent gets its default
   * @throws HypercallException EEXIST if there is one of that name; EINVAL with a message for users
   *     if there is no such scheduler, or a parameter is wrong
   */
  void createPool(String name, String scheduler, Map<String, String> parameters);

  /** Forgets a cpupool; EBUSY if it has pCPUs. */
  void destroyPool(String pool);

  /** Gives a cpupool another name; EEXIST if another has it. */
  void renamePool(String pool, String newName);

  /**
   * Gives a cpupool a pCPU, while its guests run.
   *
   * @throws HypercallException ENODEV if it is in a pool; EOPNOTSUPP if the scheduler would not
   *     have it
   */
  void addPcpu(String pool, int pcpu);

  /**
   * Takes a pCPU from a cpupool, while its guests run. A vCPU that may run nowhere else in the pool
   * may then run everywhere in it.
   *
   * @throws HypercallException EINVAL if it is not there; EBUSY if it is the last and there are
   *     vCPUs; EOPNOTSUPP if the scheduler cannot work without
   */
  void removePcpu(String pool, int pcpu);

  /**
   * Moves a domain's vCPUs to another cpupool while they run. Returns when all are there; EBUSY if
   * it has no pCPU.
   */
  void moveDomain(int domid, String pool);

  /**
   * Sets on which pCPUs, by the machine's numbers, a vCPU may and had better run; EINVAL if its
   * pool has none of the former.
   */
  void setAffinity(int domid, int vcpu, CpuMask hard, CpuMask soft);

  /**
   * Sets what the scheduler of a vCPU's pool lets one say of a single vCPU.
   *
   * @param parameters name to text; what is absent stays as it was
   * @throws HypercallException EINVAL with a message for users if a name or a value is wrong
   */
  void setVcpuParameters(int domid, int vcpu, Map<String, String> parameters);

  /** Changes a domain's weight and cap. */
  void setShare(int domid, int weight, int cap);

  /**
   * Replaces a pool's scheduler while its vCPUs run, or changes the parameters of the one it has.
   *
   * @param parameters name to text; what is absent gets its default
   * @return how long the pool was held and what was handed over
   * @throws HypercallException EINVAL with a message for users if there is no such scheduler, or a
   *     parameter is wrong; EOPNOTSUPP if it cannot take over
   */
  SwapResult swapScheduler(String pool, String scheduler, Map<String, String> parameters);
}

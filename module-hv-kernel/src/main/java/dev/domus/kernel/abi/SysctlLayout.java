package dev.domus.kernel.abi;

/**
 * xen_sysctl of Xen 4.17, the argument of sysctl (35), and the structures beside it
 * (public/sysctl.h).
 *
 * <pre>
 *   xen_sysctl (136)   cmd u32@0  interface_version u32@4  u (128)@8; below, offsets are those in u
 *   readconsole        clear u8@0  incremental u8@1  index u32@4  buffer ptr@8  count u32@16
 *   physinfo           threads_per_core u32@0  cores_per_socket u32@4  nr_cpus u32@8  max_cpu_id u32@12
 *                      nr_nodes u32@16  max_node_id u32@20  cpu_khz u32@24  capabilities u32@28
 *                      arch_capabilities u32@32  total_pages u64@40  free_pages u64@48  scrub_pages u64@56
 *                      outstanding_pages u64@64  max_mfn u64@72  hw_cap u32[8]@80
 *   sched_id           sched_id u32@0
 *   debug_keys         keys ptr@0  nr_keys u32@8
 *   getdomaininfolist  first_domain u16@0  max_domains u32@4  buffer ptr@8  num_domains u32@16
 *   getcpuinfo         max_cpus u32@0  info ptr@8  nr_cpus u32@16; an element: idletime u64
 *   availheap          min_bitwidth u32@0  max_bitwidth u32@4  node s32@8  avail_bytes u64@16
 *   cputopoinfo        num_cpus u32@0  cputopo ptr@8; an element: core u32, socket u32, node u32
 *   numainfo           num_nodes u32@0  meminfo ptr@8  distance ptr@16; an element: memsize u64, memfree u64
 *   cpupool_op         op u32@0  cpupool_id u32@4  sched_id u32@8  domid u32@12  cpu u32@16  n_dom u32@20
 *                      cpumap bitmap@24
 *   scheduler_op       cpupool_id u32@0  sched_id u32@4  cmd u32@8
 *                      credit: tslice_ms u32@16  ratelimit_us u32@20  vcpu_migr_delay_us u32@24
 *                      credit2: ratelimit_us u32@16      arinc653: schedule ptr@16
 * </pre>
 */
public final class SysctlLayout {
  /** Offset in xen_sysctl. */
  public static final int UNION = 8;

  /** Command. */
  public static final int READ_CONSOLE = 1,
      PHYS_INFO = 3,
      SCHED_ID = 4,
      GET_DOMAIN_INFO_LIST = 6,
      DEBUG_KEYS = 7,
      GET_CPU_INFO = 8;

  /** Command. */
  public static final int AVAIL_HEAP = 9,
      CPU_TOPOLOGY = 16,
      NUMA_INFO = 17,
      CPUPOOL_OP = 18,
      SCHEDULER_OP = 19;

  /** Offset in readconsole. */
  public static final int CONSOLE_CLEAR = 0,
      CONSOLE_INCREMENTAL = 1,
      CONSOLE_INDEX = 4,
      CONSOLE_BUFFER = 8,
      CONSOLE_COUNT = 16;

  /** Offset in debug_keys. */
  public static final int KEYS = 0, KEYS_COUNT = 8;

  /** Offset in physinfo. */
  public static final int PHYS_THREADS = 0,
      PHYS_CORES = 4,
      PHYS_CPUS = 8,
      PHYS_MAX_CPU = 12,
      PHYS_NODES = 16;

  /** Offset in physinfo. */
  public static final int PHYS_KHZ = 24,
      PHYS_CAPABILITIES = 28,
      PHYS_TOTAL = 40,
      PHYS_FREE = 48,
      PHYS_CLAIMED = 64,
      PHYS_MAX_MFN = 72;

  /** Bit of physinfo's capabilities: PV guests. */
  public static final int CAPABILITY_PV = 1 << 1;

  /** Offset in getdomaininfolist. */
  public static final int LIST_FIRST = 0, LIST_MAX = 4, LIST_BUFFER = 8, LIST_COUNT = 16;

  /** Offset in getcpuinfo and cputopoinfo, and size of an element. */
  public static final int CPUS_MAX = 0,
      CPUS_ARRAY = 8,
      CPUS_COUNT = 16,
      CPU_INFO_SIZE = 8,
      CPU_TOPOLOGY_SIZE = 12;

  /** Offset in availheap. */
  public static final int HEAP_BYTES = 16;

  /** Offset in numainfo. */
  public static final int NUMA_NODES = 0, NUMA_MEMORY = 8, NUMA_DISTANCE = 16;

  /** Offset in cpupool_op. */
  public static final int POOL_OP = 0,
      POOL_ID = 4,
      POOL_SCHED = 8,
      POOL_DOMID = 12,
      POOL_CPU = 16,
      POOL_DOMAINS = 20,
      POOL_CPUS = 24;

  /** Operation of cpupool_op. */
  public static final int POOL_CREATE = 1,
      POOL_DESTROY = 2,
      POOL_INFO = 3,
      POOL_ADD_CPU = 4,
      POOL_REMOVE_CPU = 5,
      POOL_MOVE_DOMAIN = 6,
      POOL_FREE_INFO = 7;

  /** Offset in scheduler_op. */
  public static final int SCHED_POOL = 0,
      SCHED_ID_OF_POOL = 4,
      SCHED_CMD = 8,
      CREDIT_SLICE_MILLIS = 16,
      CREDIT_RATE_LIMIT_MICROS = 20,
      CREDIT_MIGRATION_MICROS = 24,
      CREDIT2_RATE_LIMIT_MICROS = 16;

  /** Command of scheduler_op. */
  public static final int SCHED_PUT_INFO = 0, SCHED_GET_INFO = 1;

  private SysctlLayout() {}
}

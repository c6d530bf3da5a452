package dev.domus.kernel.abi;

/**
 * xen_domctl of Xen 4.17, the argument of domctl (36), and the structures in it and beside it
 * (public/domctl.h).
 *
 * <pre>
 *   xen_domctl (144)   cmd u32@0  interface_version u32@4  domain u16@8  u (128)@16; below, offsets are those in u
 *   createdomain       ssidref u32@0  handle 16@4  flags u32@20  iommu_opts u32@24  max_vcpus u32@28
 *                      max_evtchn_port u32@32  max_grant_frames s32@36  max_maptrack_frames s32@40
 *                      grant_opts u32@44  vmtrace_size u32@48  cpupool_id u32@52  arch 8@56
 *   max_mem            max_memkb u64@0               max_vcpus          max u32@0
 *   vcpucontext        vcpu u32@0  ctxt ptr@8        hypercall_init     gmfn u64@0
 *   getvcpuinfo        vcpu u32@0  online u8@4  blocked u8@5  running u8@6  cpu_time u64@8  cpu u32@16
 *   vcpuaffinity       vcpu u32@0  flags u32@4  hard bitmap@8  soft bitmap@24
 *   bitmap (16)        bits ptr@0  nr_bits u32@8
 *   scheduler_op       sched_id u32@0  cmd u32@4  credit: weight u16@8  cap u16@10
 *   getpageframeinfo3  num u64@0  array ptr@8        setdomainhandle    handle 16@0
 *   address_size       size u32@0
 *   sendtrigger        trigger u32@0  vcpu u32@4     set_virq_handler   virq u32@0
 *   iomem_permission   first_mfn u64@0  nr_mfns u64@8  allow_access u8@16
 *   assign_device      dev u32@0  flags u32@4  machine_sbdf u32@8      (test_ and deassign_ likewise)
 *   get_device_group   machine_sbdf u32@0  max_sdevs u32@4  num_sdevs u32@8  sdev_array ptr@16
 *   ioport_permission  first_port u32@0  nr_ports u32@4  allow_access u8@8
 *
 *   getdomaininfo (112)  domain u16@0  flags u32@4  tot_pages u64@8  max_pages u64@16  outstanding u64@24
 *                        shared u64@32  paged u64@40  shared_info_frame u64@48  cpu_time u64@56
 *                        nr_online_vcpus u32@64  max_vcpu_id u32@68  ssidref u32@72  handle 16@76
 *                        cpupool u32@92  gpaddr_bits u8@96  arch 8@104
 * </pre>
 */
public final class DomctlLayout {
  /** What interface_version has to be; that of sysctl is the same. */
  public static final int INTERFACE_VERSION = 0x15;

  /** Size of xen_domctl, of xen_sysctl, and of the arguments in either. */
  public static final int SIZE = 144, SYSCTL_SIZE = 136, UNION_SIZE = 128;

  /** Offset in xen_domctl. */
  public static final int COMMAND = 0, VERSION = 4, DOMAIN = 8, UNION = 16;

  /** Command. */
  public static final int CREATE_DOMAIN = 1,
      DESTROY_DOMAIN = 2,
      PAUSE_DOMAIN = 3,
      UNPAUSE_DOMAIN = 4,
      GET_DOMAIN_INFO = 5;

  /** Command: log-dirty mode; for service domains, in its Java form only. */
  public static final int SHADOW_OP = 10;

  /** Command. */
  public static final int SET_VCPU_AFFINITY = 9,
      MAX_MEM = 11,
      SET_VCPU_CONTEXT = 12,
      GET_VCPU_CONTEXT = 13,
      GET_VCPU_INFO = 14;

  /** Command. */
  public static final int MAX_VCPUS = 15,
      SCHEDULER_OP = 16,
      SET_DOMAIN_HANDLE = 17,
      IOMEM_PERMISSION = 20,
      IOPORT_PERMISSION = 21,
      HYPERCALL_INIT = 22;

  /** Command. */
  public static final int GET_VCPU_AFFINITY = 25,
      SET_ADDRESS_SIZE = 35,
      GET_ADDRESS_SIZE = 36,
      GET_PAGE_FRAME_INFO3 = 61;

  /** Command. */
  public static final int SEND_TRIGGER = 28, SET_VIRQ_HANDLER = 66;

  /** Command. */
  public static final int ASSIGN_DEVICE = 37,
      TEST_ASSIGN_DEVICE = 45,
      DEASSIGN_DEVICE = 47,
      GET_DEVICE_GROUP = 50;

  /** Offset in assign_device, and the kind of device that there is. */
  public static final int DEVICE_KIND = 0, DEVICE_FLAGS = 4, DEVICE_SBDF = 8, DEVICE_PCI = 0;

  /** Offset in get_device_group. */
  public static final int GROUP_SBDF = 0, GROUP_COUNT = 8;

  /** Offset in sendtrigger, and the triggers that need no device model. */
  public static final int TRIGGER = 0,
      TRIGGER_VCPU = 4,
      TRIGGER_NMI = 0,
      TRIGGER_POWER = 3,
      TRIGGER_SLEEP = 4;

  /** Offset in createdomain. */
  public static final int CREATE_HANDLE = 4,
      CREATE_FLAGS = 20,
      CREATE_IOMMU = 24,
      CREATE_VCPUS = 28;

  /** Offset in createdomain. */
  public static final int CREATE_VMTRACE = 48, CREATE_POOL = 52;

  /** Bit of createdomain's flags: serves xenstore; the only one that a PV domain may have. */
  public static final int FLAG_XS_DOMAIN = 1 << 4;

  /** Offset in vcpucontext, getvcpuinfo, vcpuaffinity. */
  public static final int VCPU = 0, CONTEXT = 8;

  /** Offset in getvcpuinfo. */
  public static final int VCPU_ONLINE = 4,
      VCPU_BLOCKED = 5,
      VCPU_RUNNING = 6,
      VCPU_CPU_TIME = 8,
      VCPU_CPU = 16;

  /** Offset in vcpuaffinity. */
  public static final int AFFINITY_FLAGS = 4, AFFINITY_HARD = 8, AFFINITY_SOFT = 24;

  /** Bit of vcpuaffinity's flags. */
  public static final int HARD = 1, SOFT = 2;

  /** Offset in a bitmap. */
  public static final int BITMAP_BITS = 0, BITMAP_COUNT = 8;

  /** Offset in scheduler_op. */
  public static final int SCHED_ID = 0, SCHED_CMD = 4, SCHED_WEIGHT = 8, SCHED_CAP = 10;

  /** Command of scheduler_op. */
  public static final int SCHED_PUT = 0, SCHED_GET = 1, SCHED_PUT_VCPU = 2, SCHED_GET_VCPU = 3;

  /** Offset in getpageframeinfo3. */
  public static final int FRAMES_COUNT = 0, FRAMES_ARRAY = 8;

  /** Types that getpageframeinfo3 answers: level of a page table, pinned, not the domain's. */
  public static final int PFINFO_TABLE_SHIFT = 28,
      PFINFO_PINNED = 1 << 31,
      PFINFO_NOT_THERE = 0xF << 28;

  /** Size of getdomaininfo, and offset in it. */
  public static final int INFO_SIZE = 112,
      INFO_DOMAIN = 0,
      INFO_FLAGS = 4,
      INFO_PAGES = 8,
      INFO_MAX_PAGES = 16;

  /** Offset in getdomaininfo. */
  public static final int INFO_SHARED_INFO = 48,
      INFO_CPU_TIME = 56,
      INFO_ONLINE = 64,
      INFO_MAX_VCPU = 68;

  /** Offset in getdomaininfo. */
  public static final int INFO_HANDLE = 76, INFO_POOL = 92;

  /** Bit of getdomaininfo's flags; the shutdown reason is in bits 16 to 23. */
  public static final int INFO_DYING = 1,
      INFO_SHUTDOWN = 1 << 2,
      INFO_PAUSED = 1 << 3,
      INFO_BLOCKED = 1 << 4,
      INFO_RUNNING = 1 << 5,
      INFO_REASON_SHIFT = 16;

  private DomctlLayout() {}

  /**
   * The number that the ABI has for a scheduler.
   *
   * @param name its name
   * @return the number, or 0 for one that the ABI does not know
   */
  public static int schedulerId(String name) {
    return switch (name) {
      case "credit" -> 5;
      case "credit2" -> 6;
      case "arinc653" -> 7;
      case "rtds" -> 8;
      case "null" -> 9;
      default -> 0;
    };
  }
}

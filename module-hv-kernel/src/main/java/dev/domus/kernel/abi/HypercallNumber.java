package dev.domus.kernel.abi;

/** Hypercall numbers (xen-pv-abi.md, 4.3). */
public final class HypercallNumber {
  /** Hypercall number. */
  public static final int SET_TRAP_TABLE = 0,
      MMU_UPDATE = 1,
      SET_GDT = 2,
      STACK_SWITCH = 3,
      SET_CALLBACKS = 4;

  /** Hypercall number. */
  public static final int FPU_TASKSWITCH = 5,
      SCHED_OP_COMPAT = 6,
      PLATFORM_OP = 7,
      SET_DEBUGREG = 8;

  /** Hypercall number. */
  public static final int GET_DEBUGREG = 9, UPDATE_DESCRIPTOR = 10, MEMORY_OP = 12, MULTICALL = 13;

  /** Hypercall number. */
  public static final int UPDATE_VA_MAPPING = 14,
      SET_TIMER_OP = 15,
      EVENT_CHANNEL_OP_COMPAT = 16,
      XEN_VERSION = 17;

  /** Hypercall number. */
  public static final int CONSOLE_IO = 18,
      PHYSDEV_OP_COMPAT = 19,
      GRANT_TABLE_OP = 20,
      VM_ASSIST = 21;

  /** Hypercall number. */
  public static final int UPDATE_VA_MAPPING_OTHERDOMAIN = 22,
      IRET = 23,
      VCPU_OP = 24,
      SET_SEGMENT_BASE = 25;

  /** Hypercall number. */
  public static final int MMUEXT_OP = 26,
      XSM_OP = 27,
      NMI_OP = 28,
      SCHED_OP = 29,
      CALLBACK_OP = 30,
      XENOPROF_OP = 31;

  /** Hypercall number. */
  public static final int EVENT_CHANNEL_OP = 32,
      PHYSDEV_OP = 33,
      HVM_OP = 34,
      SYSCTL = 35,
      DOMCTL = 36,
      KEXEC_OP = 37;

  /** Hypercall number. */
  public static final int TMEM_OP = 38,
      ARGO_OP = 39,
      XENPMU_OP = 40,
      DM_OP = 41,
      HYPFS_OP = 42,
      MCA = 48;

  /** Numbers are below this. */
  public static final int LIMIT = 64;

  private static final String[] NAMES = {
    "set_trap_table",
    "mmu_update",
    "set_gdt",
    "stack_switch",
    "set_callbacks",
    "fpu_taskswitch",
    "sched_op_compat",
    "platform_op",
    "set_debugreg",
    "get_debugreg",
    "update_descriptor",
    "11",
    "memory_op",
    "multicall",
    "update_va_mapping",
    "set_timer_op",
    "event_channel_op_compat",
    "xen_version",
    "console_io",
    "physdev_op_compat",
    "grant_table_op",
    "vm_assist",
    "update_va_mapping_otherdomain",
    "iret",
    "vcpu_op",
    "set_segment_base",
    "mmuext_op",
    "xsm_op",
    "nmi_op",
    "sched_op",
    "callback_op",
    "xenoprof_op",
    "event_channel_op",
    "physdev_op",
    "hvm_op",
    "sysctl",
    "domctl",
    "kexec_op",
    "tmem_op",
    "argo_op",
    "xenpmu_op",
    "dm_op",
    "hypfs_op"
  };

  private HypercallNumber() {}

  /** The name of a hypercall, or its number in decimal if it has none. */
  public static String name(int number) {
    return number >= 0 && number < NAMES.length
        ? NAMES[number]
        : number == MCA ? "mca" : Integer.toString(number);
  }
}

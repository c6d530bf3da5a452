package dev.domus.kernel.abi;

/**
 * vcpu_guest_context of a 64-bit guest, and the cpu_user_regs in it (xen-pv-abi.md, 3.6 and 3.7).
 *
 * <pre>
 *      0  fpu_ctxt[512]              4992 + 8n  ctrlreg[n] (from 4984)      cpu_user_regs (200)
 *    512  flags                      5048  debugreg[8]                       0 r15 … 112 rdi
 *    520  user_regs (200)            5112  event_callback_eip              120 u32 error_code, u32 entry_vector
 *    720  trap_ctxt[256] x 16        5120  failsafe_callback_eip           128 rip  136 u16 cs  144 rflags
 *   4816  ldt_base  4824 ldt_ents    5128  syscall_callback_eip            152 rsp  160 u16 ss
 *   4832  gdt_frames[16]             5136  vm_assist                       168 es  176 ds  184 fs  192 gs
 *   4960  gdt_ents                   5144  fs_base
 *   4968  kernel_ss  4976 kernel_sp  5152  gs_base_kernel  5160 gs_base_user
 * </pre>
 */
public final class VcpuGuestContextLayout {
  /** Size in bytes. */
  public static final int SIZE = 5168;

  /** Offset in vcpu_guest_context. */
  public static final int FLAGS = 512,
      USER_REGS = 520,
      TRAPS = 720,
      LDT_BASE = 4816,
      LDT_ENTRIES = 4824;

  /** Offset in vcpu_guest_context. */
  public static final int GDT_FRAMES = 4832,
      GDT_ENTRIES = 4960,
      KERNEL_SS = 4968,
      KERNEL_SP = 4976,
      CTRLREG = 4984,
      DEBUGREG = 5048;

  /** Offset in vcpu_guest_context. */
  public static final int EVENT_CALLBACK = 5112,
      FAILSAFE_CALLBACK = 5120,
      SYSCALL_CALLBACK = 5128,
      VM_ASSIST = 5136,
      FS_BASE = 5144;

  /** Offset in vcpu_guest_context. */
  public static final int GS_BASE_KERNEL = 5152, GS_BASE_USER = 5160;

  /** Bit of the flags. */
  public static final int FPU_VALID = 1, IN_KERNEL = 1 << 2, ONLINE = 1 << 5;

  /** Bit of the flags. */
  public static final int FAILSAFE_DISABLES_EVENTS = 1 << 3, SYSCALL_DISABLES_EVENTS = 1 << 4;

  /** Offset in cpu_user_regs. */
  public static final int REG_RIP = 128,
      REG_CS = 136,
      REG_RFLAGS = 144,
      REG_RSP = 152,
      REG_SS = 160,
      REG_ES = 168;

  /** Offset in cpu_user_regs. */
  public static final int REG_DS = 176, REG_FS = 184, REG_GS = 192;

  /**
   * Offsets in cpu_user_regs of the general registers, in the encoding of ModRM: RAX, RCX, RDX,
   * RBX, RSP … R15.
   */
  private static final int[] OFFSETS = {
    80, 88, 96, 40, REG_RSP, 32, 104, 112, 72, 64, 56, 48, 24, 16, 8, 0
  };

  private VcpuGuestContextLayout() {}

  /**
   * Offset in cpu_user_regs of a general register.
   *
   * @param register its number in the encoding of ModRM and REX
   */
  public static int register(int register) {
    return OFFSETS[register];
  }
}

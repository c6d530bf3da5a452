package dev.domus.kernel.abi;

/**
 * The shared info page, and the vCPU records in it (xen-pv-abi.md, 3.2 to 3.4).
 *
 * <pre>
 *  shared_info                                   vcpu_info (64 bytes)
 *     0  vcpu_info[32]                              0  u8  evtchn_upcall_pending
 *  2048  u64 evtchn_pending[64]                     1  u8  evtchn_upcall_mask
 *  2560  u64 evtchn_mask[64]                        8  u64 evtchn_pending_sel
 *  3072  u32 wc_version                            16  u64 arch.cr2
 *  3076  u32 wc_sec                                32  vcpu_time_info
 *  3080  u32 wc_nsec                             vcpu_time_info (32 bytes)
 *  3084  u32 wc_sec_hi                              0  u32 version (odd: being changed)
 *  3088  u64 arch.max_pfn                           8  u64 tsc_timestamp
 *  3096  u64 arch.pfn_to_mfn_frame_list_list       16  u64 system_time (ns)
 *  3104  u64 arch.nmi_reason                       24  u32 tsc_to_system_mul
 *                                                  28  s8  tsc_shift
 *                                                  29  u8  flags
 * </pre>
 */
public final class SharedInfoLayout {
  /** How many vCPUs have a record in the page. */
  public static final int LEGACY_VCPUS = 32;

  /** Size of a vcpu_info in bytes. */
  public static final int VCPU_INFO_SIZE = 64;

  /** Size of a vcpu_time_info in bytes. */
  public static final int TIME_INFO_SIZE = 32;

  /** Offset in vcpu_info. */
  public static final int UPCALL_PENDING = 0, UPCALL_MASK = 1, PENDING_SEL = 8, CR2 = 16, TIME = 32;

  /** Offset in vcpu_time_info. */
  public static final int TIME_VERSION = 0,
      TSC_TIMESTAMP = 8,
      SYSTEM_TIME = 16,
      TSC_TO_SYSTEM_MUL = 24;

  /** Offset in vcpu_time_info. */
  public static final int TSC_SHIFT = 28, TIME_FLAGS = 29;

  /** Offset in shared_info. */
  public static final int EVTCHN_PENDING = 2048, EVTCHN_MASK = 2560;

  /** Offset in shared_info. */
  public static final int WC_VERSION = 3072, WC_SEC = 3076, WC_NSEC = 3080, WC_SEC_HI = 3084;

  /** Ports that the two-level ABI has. */
  public static final int EVTCHN_PORTS = 4096;

  private SharedInfoLayout() {}
}

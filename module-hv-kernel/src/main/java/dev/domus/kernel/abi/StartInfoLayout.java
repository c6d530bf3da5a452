package dev.domus.kernel.abi;

/**
 * The start info page: what a PV guest finds at the address in RSI when it starts (xen-pv-abi.md,
 * 3.1).
 *
 * <pre>
 *     0  char magic[32]       "xen-3.0-x86_64"
 *    32  u64  nr_pages        frames of RAM
 *    40  u64  shared_info     machine address of the shared info page
 *    48  u32  flags           SIF_*
 *    56  u64  store_mfn       machine frame of the xenstore ring
 *    64  u32  store_evtchn    its port
 *    72  u64  console mfn     machine frame of the console ring
 *    80  u32  console evtchn  its port
 *    88  u64  pt_base         virtual address of the L4 table
 *    96  u64  nr_pt_frames    page-table frames of the initial mapping, from pt_base on
 *   104  u64  mfn_list        virtual address of the P2M list, a u64 for each frame
 *   112  u64  mod_start       virtual address of the ramdisk (frame number with MOD_START_PFN), or 0
 *   120  u64  mod_len         its length in bytes
 *   128  char cmd_line[1024]  ends with NUL
 *  1152  u64  first_p2m_pfn   first frame of the P2M list and of the tables that map it; only if the
 *  1160  u64  nr_p2m_frames   image asked for the list at an address of its own (note INIT_P2M)
 * </pre>
 */
public final class StartInfoLayout {
  /** Size in bytes. */
  public static final int SIZE = 1168;

  /** What stands in the magic field of a 64-bit guest, without the NULs that pad it. */
  public static final String MAGIC_64 = "xen-3.0-x86_64";

  /** Offset of the magic text. */
  public static final int MAGIC = 0;

  /** Offset. */
  public static final int NR_PAGES = 32, SHARED_INFO = 40, FLAGS = 48;

  /** Offset. */
  public static final int STORE_MFN = 56, STORE_EVTCHN = 64, CONSOLE_MFN = 72, CONSOLE_EVTCHN = 80;

  /** Offset. */
  public static final int PT_BASE = 88, NR_PT_FRAMES = 96, MFN_LIST = 104;

  /** Offset. */
  public static final int MOD_START = 112, MOD_LEN = 120, CMD_LINE = 128;

  /** Offset. */
  public static final int FIRST_P2M_PFN = 1152, NR_P2M_FRAMES = 1160;

  /** Size of the command line field in bytes, its NUL included. */
  public static final int CMD_LINE_SIZE = 1024;

  /** Flag. */
  public static final int SIF_PRIVILEGED = 1, SIF_INITDOMAIN = 2, SIF_MULTIBOOT_MOD = 4;

  /** Flag: mod_start is a frame number, and the ramdisk is not mapped. */
  public static final int SIF_MOD_START_PFN = 8;

  /** Flag: tools know the virtually mapped P2M list. */
  public static final int SIF_VIRT_P2M_4TOOLS = 16;

  private StartInfoLayout() {}
}

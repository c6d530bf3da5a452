package dev.domus.kernel.abi;

/**
 * The argument structures of grant_table_op (xen-pv-abi.md, 12.2). An argument is an array of one
 * of these.
 *
 * <pre>
 *   map_grant_ref (32)      host_addr u64@0  flags u32@8  ref u32@12  dom u16@16  status s16@18  handle u32@20
 *                           dev_bus_addr u64@24
 *   unmap_grant_ref (24)    host_addr u64@0  dev_bus_addr u64@8  handle u32@16  status s16@20
 *   setup_table (24)        dom u16@0  nr_frames u32@4  status s16@8  frame_list u64@16
 *   transfer (24)           mfn u64@0  domid u16@8  ref u32@12  status s16@16
 *   copy (40)               source u64@0  its domid u16@8  its offset u16@10
 *                           destination u64@16  its domid u16@24  its offset u16@26
 *                           len u16@32  flags u16@34  status s16@36
 *   query_size (16)         dom u16@0  nr_frames u32@4  max_nr_frames u32@8  status s16@12
 *   unmap_and_replace (24)  host_addr u64@0  new_addr u64@8  handle u32@16  status s16@20
 *   set_version (4)         version u32@0
 *   get_status_frames (16)  nr_frames u32@0  dom u16@4  status s16@6  frame_list u64@8
 *   get_version (8)         dom u16@0  version u32@4
 *   swap_grant_ref (12)     ref_a u32@0  ref_b u32@4  status s16@8
 *   cache_flush (16)        address u64@0  offset u16@8  length u16@10  op u32@12
 * </pre>
 */
public final class GrantOpLayout {
  /** Sub-operation. */
  public static final int MAP_GRANT_REF = 0,
      UNMAP_GRANT_REF = 1,
      SETUP_TABLE = 2,
      DUMP_TABLE = 3,
      TRANSFER = 4;

  /** Sub-operation. */
  public static final int COPY = 5,
      QUERY_SIZE = 6,
      UNMAP_AND_REPLACE = 7,
      SET_VERSION = 8,
      GET_STATUS_FRAMES = 9;

  /** Sub-operation. */
  public static final int GET_VERSION = 10, SWAP_GRANT_REF = 11, CACHE_FLUSH = 12;

  /** Size of map_grant_ref, and offset in it. */
  public static final int MAP_SIZE = 32,
      MAP_HOST = 0,
      MAP_FLAGS = 8,
      MAP_REF = 12,
      MAP_DOM = 16,
      MAP_STATUS = 18;

  /** Offset in map_grant_ref. */
  public static final int MAP_HANDLE = 20, MAP_DEVICE = 24;

  /** Size of unmap_grant_ref and of unmap_and_replace, and offset in them. */
  public static final int UNMAP_SIZE = 24,
      UNMAP_HOST = 0,
      UNMAP_DEVICE = 8,
      UNMAP_NEW = 8,
      UNMAP_HANDLE = 16;

  /** Offset in unmap_grant_ref and unmap_and_replace. */
  public static final int UNMAP_STATUS = 20;

  /** Offset in setup_table. */
  public static final int SETUP_DOM = 0, SETUP_FRAMES = 4, SETUP_STATUS = 8, SETUP_LIST = 16;

  /** Size of transfer, and offset in it. */
  public static final int TRANSFER_SIZE = 24,
      TRANSFER_MFN = 0,
      TRANSFER_DOMID = 8,
      TRANSFER_REF = 12,
      TRANSFER_STATUS = 16;

  /** Size of copy, and offset in it. */
  public static final int COPY_SIZE = 40,
      COPY_SOURCE = 0,
      COPY_SOURCE_DOM = 8,
      COPY_SOURCE_OFFSET = 10;

  /** Offset in copy. */
  public static final int COPY_DEST = 16,
      COPY_DEST_DOM = 24,
      COPY_DEST_OFFSET = 26,
      COPY_LENGTH = 32;

  /** Offset in copy. */
  public static final int COPY_FLAGS = 34, COPY_STATUS = 36;

  /** Offset in query_size. */
  public static final int QUERY_DOM = 0, QUERY_FRAMES = 4, QUERY_MAX_FRAMES = 8, QUERY_STATUS = 12;

  /** Size of get_status_frames, and offset in it. */
  public static final int STATUS_FRAMES_SIZE = 16,
      STATUS_FRAMES_FRAMES = 0,
      STATUS_FRAMES_DOM = 4,
      STATUS_FRAMES_STATUS = 6,
      STATUS_FRAMES_LIST = 8;

  /** Offset in get_version. */
  public static final int VERSION_DOM = 0, VERSION_VERSION = 4;

  /** Size of swap_grant_ref, and offset in it. */
  public static final int SWAP_SIZE = 12, SWAP_A = 0, SWAP_B = 4, SWAP_STATUS = 8;

  /** Size of cache_flush, and offset in it. */
  public static final int FLUSH_SIZE = 16,
      FLUSH_ADDRESS = 0,
      FLUSH_OFFSET = 8,
      FLUSH_LENGTH = 10,
      FLUSH_OP = 12;

  private GrantOpLayout() {}
}

package dev.domus.net.netif;

/**
 * The pages of the PV network protocol (public/io/netif.h and ring.h of Xen 4.17). Indices run
 * freely; a slot is an index modulo the number of slots.
 *
 * <pre>
 *          0         4           8         12           16 .. 63   64
 *         +---------+-----------+---------+-----------+-----------+------- - -
 *   ring  |req_prod | req_event |rsp_prod | rsp_event |           | slots
 *         +---------+-----------+---------+-----------+-----------+------- - -
 *   tx, 256 slots of 12    request  gref u32 | offset u16 | flags u16 | id u16 | size u16
 *                          response id u16 | status s16
 *   rx, 256 slots of 8     request  id u16 | pad u16 | gref u32
 *                          response id u16 | offset u16 | flags u16 | status s16
 *   extra, in either       type u8 | flags u8 | GSO: size u16, type u8 | hash: type u8, algorithm u8, value 4 |
 *                          multicast: address 6
 *   control, 128 slots of 16  request  id u16 | type u16 | data u32 × 3
 *                             response id u16 | type u16 | status u32 | data u32
 * </pre>
 */
final class NetifLayout {
  static final int REQ_PROD = 0, REQ_EVENT = 4, RSP_PROD = 8, RSP_EVENT = 12, SLOTS = 64;

  static final int PAGE = 4096;

  /** Number of slots of a transmit or receive ring. */
  static final int RING = 256;

  static final int TX_SLOT = 12;
  static final int TX_REF = 0, TX_OFFSET = 4, TX_FLAGS = 6, TX_ID = 8, TX_SIZE = 10;
  static final int TX_RSP_ID = 0, TX_RSP_STATUS = 2;

  static final int RX_SLOT = 8;
  static final int RX_ID = 0, RX_REF = 4;
  static final int RX_RSP_ID = 0, RX_RSP_OFFSET = 2, RX_RSP_FLAGS = 4, RX_RSP_STATUS = 6;

  /** Flags of a transmit request. */
  static final int TX_CSUM_BLANK = 1, TX_DATA_VALIDATED = 2, TX_MORE_DATA = 4, TX_EXTRA_INFO = 8;

  /** Flags of a receive response. */
  static final int RX_DATA_VALIDATED = 1, RX_CSUM_BLANK = 2, RX_MORE_DATA = 4, RX_EXTRA_INFO = 8;

  /** Status of a response. */
  static final int STATUS_OKAY = 0, STATUS_ERROR = -1, STATUS_DROPPED = -2, STATUS_NULL = 1;

  static final int EXTRA_TYPE = 0, EXTRA_FLAGS = 1, EXTRA_DATA = 2;
  static final int EXTRA_MORE = 1;
  static final int EXTRA_GSO = 1,
      EXTRA_MULTICAST_ADD = 2,
      EXTRA_MULTICAST_REMOVE = 3,
      EXTRA_HASH = 4,
      EXTRA_LAST = 5;
  static final int GSO_SIZE = 2, GSO_TYPE = 4;
  static final int HASH_TYPE = 2, HASH_ALGORITHM = 3, HASH_VALUE = 4;

  /** Most slots with data that a packet may have: 64 KiB at any offsets. */
  static final int MAX_SLOTS = 18;

  /** A packet of more slots is dropped; one of more than this is an attack. */
  static final int FATAL_SLOTS = 20;

  static final int CONTROL_RING = 128, CONTROL_SLOT = 16;
  static final int CONTROL_ID = 0, CONTROL_TYPE = 2, CONTROL_DATA = 4;
  static final int CONTROL_STATUS = 4, CONTROL_RESULT = 8;

  private NetifLayout() {}
}

package dev.domus.pciback;

/**
 * The page that a guest shares with the PCI backend (public/io/pciif.h of Xen 4.17). One request at
 * a time: the guest fills op, sets ACTIVE, notifies; the backend answers into op, clears ACTIVE,
 * notifies.
 *
 * <pre>
 *          0        4        8        12       16
 *         +--------+--------+--------+--------+
 *    0    | flags  |  cmd   |  err   | domain |
 *         +--------+--------+--------+--------+
 *   16    |  bus   | devfn  | offset |  size  |
 *         +--------+--------+--------+--------+
 *   32    | value  |  info  | 128 × (vector u16, entry u16) of MSI-X
 *         +--------+--------+-------------------
 *  552    | aer_op: cmd, err, domain, bus, devfn
 *         +------------------------------------
 * </pre>
 */
final class SharedPageLayout {
  static final int FLAGS = 0;

  /** Flag: a request of the guest's is under way. */
  static final int ACTIVE = 1;

  static final int COMMAND = 4;
  static final int ERROR = 8;
  static final int DOMAIN = 12;
  static final int BUS = 16;
  static final int DEVFN = 20;
  static final int OFFSET = 24;
  static final int SIZE = 28;
  static final int VALUE = 32;
  static final int MSIX_ENTRIES = 40;
  static final int MAX_MSIX_ENTRIES = 128;
  static final int MSIX_ENTRY_SIZE = 4;
  static final int MSIX_VECTOR = 0, MSIX_ENTRY = 2;
  static final int CONF_READ = 0,
      CONF_WRITE = 1,
      ENABLE_MSI = 2,
      DISABLE_MSI = 3,
      ENABLE_MSIX = 4,
      DISABLE_MSIX = 5;
  static final int SUCCESS = 0,
      DEVICE_NOT_FOUND = -1,
      INVALID_OFFSET = -2,
      ACCESS_DENIED = -3,
      NOT_IMPLEMENTED = -4,
      OPERATION_FAILED = -5;

  private SharedPageLayout() {}
}

package dev.domus.kernel.pci;

/**
 * Configuration space of the functions here: a type 0 header and two capabilities (PCI Local Bus
 * Specification 3.0, 6.1, 6.2, 6.8; PCI Express Base Specification, 7.5.3).
 *
 * <pre>
 *        3             2             1             0
 *       +-------------+-------------+-------------+-------------+
 *  00h  |         device id         |         vendor id         |
 *  04h  |          status           |          command          |
 *  08h  |              class code                 |  revision   |
 *  0Ch  |    BIST     | header type |   latency   | cache line  |
 *  10h  |                 six base-address registers            |
 *  2Ch  |       subsystem id        |    subsystem vendor id    |
 *  34h  |                                         | capabilities|
 *  3Ch  |   max lat   |   min gnt   |     pin     |    line     |
 *  40h  |     PCI Express capability (60 bytes)                 |
 *  80h  |     MSI (24 bytes) or MSI-X (12 bytes) capability     |
 * 100h  |     extended capabilities: none                       |
 *       +-------------------------------------------------------+
 * </pre>
 */
final class ConfigLayout {
  /** Bytes of configuration space of a PCI Express function. */
  static final int SIZE = 4096;

  static final int VENDOR_ID = 0x00, DEVICE_ID = 0x02;

  static final int COMMAND = 0x04;
  static final int COMMAND_MEMORY = 1 << 1;
  static final int COMMAND_BUS_MASTER = 1 << 2;
  static final int COMMAND_INTX_DISABLE = 1 << 10;

  static final int STATUS = 0x06;
  static final int STATUS_CAPABILITIES = 1 << 4;

  static final int REVISION = 0x08, CLASS_CODE = 0x09;
  static final int CACHE_LINE_SIZE = 0x0c;

  static final int BARS = 0x10;
  static final int BAR_MEMORY_64 = 0b100;
  static final int BAR_FLAGS = 0xf;
  static final int BAR_COUNT = 6;

  static final int SUBSYSTEM_VENDOR_ID = 0x2c, SUBSYSTEM_ID = 0x2e;
  static final int CAPABILITIES = 0x34;
  static final int INTERRUPT_LINE = 0x3c;

  static final int EXPRESS = 0x40;
  static final int EXPRESS_ID = 0x10;
  static final int EXPRESS_CAPABILITIES = EXPRESS + 2;

  /** Capability version 2, a root complex integrated endpoint: no link, no slot. */
  static final int EXPRESS_INTEGRATED_V2 = 0x0092;

  static final int DEVICE_CAPABILITIES = EXPRESS + 4;
  static final int DEVICE_CAPABILITIES_ROLE_BASED = 1 << 15;
  static final int DEVICE_CAPABILITIES_FLR = 1 << 28;
  static final int DEVICE_CONTROL = EXPRESS + 8;
  static final int DEVICE_CONTROL_FLR = 1 << 15;

  static final int INTERRUPTS = 0x80;

  static final int MSI_ID = 0x05;
  static final int MSI_CONTROL = INTERRUPTS + 2;
  static final int MSI_CONTROL_ENABLE = 1;
  static final int MSI_CONTROL_CAPABLE_SHIFT = 1;
  static final int MSI_CONTROL_64 = 1 << 7;

  static final int MSIX_ID = 0x11;
  static final int MSIX_CONTROL = INTERRUPTS + 2;
  static final int MSIX_CONTROL_MASK_ALL = 1 << 14;
  static final int MSIX_CONTROL_ENABLE = 1 << 15;
  static final int MSIX_TABLE = INTERRUPTS + 4;
  static final int MSIX_PENDING = INTERRUPTS + 8;

  /** Bytes of one entry of an MSI-X table: address, data, control. */
  static final int MSIX_ENTRY_SIZE = 16;

  static final int MSIX_ENTRY_CONTROL = 12;
  static final int MSIX_ENTRY_MASKED = 1;

  private ConfigLayout() {}
}

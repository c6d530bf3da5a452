package dev.domus.nvme;

import dev.domus.device.contract.DeviceContract;
import dev.domus.kernel.device.Device;

/** What every device has to do. */
class NvmeContractTest extends DeviceContract {
  @Override
  protected Device device() {
    return new Controller(new Namespace(new MemoryDisk(1 << 16), 9, "serial-1"), 3);
  }

  /** CC often, since without it there is little to see. */
  @Override
  protected long[] registers() {
    return new long[] {
      0, 8, 0xc, 0x10, 0x14, 0x14, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38,
      0x1000, 0x1000, 0x1000, 0x1004, 0x1008, 0x100c, 0x1010, 0x1020, 0x1ffc
    };
  }
}

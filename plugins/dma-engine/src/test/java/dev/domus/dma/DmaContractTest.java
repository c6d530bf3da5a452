package dev.domus.dma;

import dev.domus.device.contract.DeviceContract;
import dev.domus.kernel.device.Device;
import java.util.stream.LongStream;

/** What every device has to do. */
class DmaContractTest extends DeviceContract {
  @Override
  protected Device device() {
    return new DmaEngine();
  }

  @Override
  protected long[] registers() {
    return LongStream.rangeClosed(0, RegisterLayout.COMPLETED / 4).map(i -> i * 4).toArray();
  }
}

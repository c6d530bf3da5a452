package dev.domus.dma;

import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DeviceOption;
import java.util.List;
import java.util.Map;

/** Makes DMA engines. */
public final class DmaModel implements DeviceModel {
  /** Made by the plugin host. */
  public DmaModel() {}

  @Override
  public String name() {
    return "dma";
  }

  @Override
  public String description() {
    return "DMA engine: copies, fills, compares and checksums memory by a ring of descriptors";
  }

  @Override
  public List<DeviceOption> options() {
    return List.of();
  }

  @Override
  public Device create(Map<String, String> options) {
    return new DmaEngine();
  }
}

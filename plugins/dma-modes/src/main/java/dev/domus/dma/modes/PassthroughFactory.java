package dev.domus.dma.modes;

import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.device.DmaResources;

/** The mode {@code passthrough}. */
public final class PassthroughFactory implements DmaModeFactory {
  /** Made by the plugin host. */
  public PassthroughFactory() {}

  @Override
  public String name() {
    return "passthrough";
  }

  @Override
  public String description() {
    return "the device reaches all of the machine's memory; for domain 0, with --dma-passthrough";
  }

  @Override
  public boolean bypassesIommu() {
    return true;
  }

  @Override
  public DmaMode create(DmaResources resources) {
    return new Passthrough();
  }
}

package dev.domus.dma.modes;

import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.device.DmaResources;

/** The mode {@code shadow}. */
public final class ShadowFactory implements DmaModeFactory {
  /** Made by the plugin host. */
  public ShadowFactory() {}

  @Override
  public String name() {
    return "shadow";
  }

  @Override
  public String description() {
    return "the device reaches buffers that stay mapped; data is copied, byte for byte what was mapped";
  }

  @Override
  public int memoryPages() {
    return Shadow.PAGES;
  }

  @Override
  public DmaMode create(DmaResources resources) {
    return new Shadow(resources);
  }
}

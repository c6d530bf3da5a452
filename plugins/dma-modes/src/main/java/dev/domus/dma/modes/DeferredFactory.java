package dev.domus.dma.modes;

import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.device.DmaResources;

/** The mode {@code deferred}. */
public final class DeferredFactory implements DmaModeFactory {
  /** Made by the plugin host. */
  public DeferredFactory() {}

  @Override
  public String name() {
    return "deferred";
  }

  @Override
  public String description() {
    return "unmapped pages are taken from the device in batches, 10 ms later at most";
  }

  @Override
  public DmaMode create(DmaResources resources) {
    return new Deferred(resources);
  }
}

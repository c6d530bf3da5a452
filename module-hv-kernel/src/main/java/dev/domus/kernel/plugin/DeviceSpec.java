package dev.domus.kernel.plugin;

import dev.domus.iommu.RequesterId;
import java.util.Map;

/**
 * A device that the machine is to have.
 *
 * @param model the name of a device model
 * @param id where it is on the PCI bus; one device each
 * @param options what is said of it, name to text; what is absent gets its default
 */
public record DeviceSpec(String model, RequesterId id, Map<String, String> options) {
  /** Copies the options. */
  public DeviceSpec {
    options = Map.copyOf(options);
  }
}

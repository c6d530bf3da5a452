package dev.domus.kernel.pci;

import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.device.InterruptKind;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/** Makes {@link ScriptedDevice}s, and remembers them in order. */
public final class ScriptedModel implements DeviceModel {
  /** Its name. */
  public static final String NAME = "scripted";

  /** What it has made. */
  public final List<ScriptedDevice> made = new CopyOnWriteArrayList<>();

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String description() {
    return "does as it is told";
  }

  @Override
  public List<DeviceOption> options() {
    return List.of(
        new DeviceOption("vectors", "1 … 32", Optional.of("4"), "interrupt vectors"),
        new DeviceOption("kind", "MSI, MSI_X, NONE", Optional.of("MSI_X"), "how it interrupts"));
  }

  @Override
  public Device create(Map<String, String> options) throws DeviceException {
    ScriptedDevice device =
        new ScriptedDevice(
            InterruptKind.valueOf(options.get("kind")), Integer.parseInt(options.get("vectors")));
    made.add(device);
    return device;
  }
}

package dev.domus.toolstack.cli;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.plugin.DeviceSpec;
import dev.domus.kernel.plugin.Host.DeviceModelInfo;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.life.Guest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/**
 * What {@code run} says of PCI devices: those of the machine, and those of them that the guest
 * gets.
 */
final class DeviceOptions {
  private static final String DEVICE = "--device", PCI = "--pci";

  /** The only segment, which may be written in front of an address. */
  private static final String SEGMENT = "0000:";

  @Option(
      names = DEVICE,
      paramLabel = "MODEL@BB:DD.F[,OPTION=VALUE...]",
      description =
          "A PCI device of the machine (domus device list), such as nvme@00:04.0,file=disk.img; may be given more than once.")
  private List<String> devices = List.of();

  @Option(
      names = PCI,
      paramLabel = "BB:DD.F",
      description =
          "Give the guest the device at that address, with the right to its regions; may be given more than once.")
  private List<String> assigned = List.of();

  @Option(
      names = "--dma-passthrough",
      description =
          "Allow drivers in domain 0 to let their devices reach all of the machine's memory (domus device modes). Off by default: such a device is not kept from anything.")
  private boolean passThrough;

  /** Whether domain 0 may let a device reach all memory. */
  boolean passThrough() {
    return passThrough;
  }

  /**
   * The devices that were asked for, judged as far as can be done before the machine starts.
   *
   * @param deterministic whether the machine is to be deterministic
   */
  List<DeviceSpec> specs(List<DeviceModelInfo> models, boolean deterministic)
      throws BadInputException {
    if (deterministic && !devices.isEmpty()) {
      throw new BadInputException(
          DEVICE + ": what a device does is not repeatable; leave it or --deterministic out");
    }
    Map<RequesterId, DeviceSpec> specs = new LinkedHashMap<>();
    for (String text : devices) {
      DeviceSpec spec = parse(text, models);
      if (specs.putIfAbsent(spec.id(), spec) != null) {
        throw bad(DEVICE, text, "there is a device at that address already; choose another");
      }
    }
    List<RequesterId> given = new ArrayList<>();
    for (String text : assigned) {
      RequesterId id = address(PCI, text, text);
      if (!specs.containsKey(id)) {
        throw bad(PCI, text, "there is no device at that address; put one there with " + DEVICE);
      }
      if (given.contains(id)) {
        throw bad(PCI, text, "the guest has it already; name it once");
      }
      given.add(id);
    }
    return List.copyOf(specs.values());
  }

  private static DeviceSpec parse(String text, List<DeviceModelInfo> models)
      throws BadInputException {
    String[] parts = text.split(",", -1);
    int at = parts[0].indexOf('@');
    if (at < 1) {
      throw bad(
          DEVICE,
          text,
          "should be MODEL@BB:DD.F[,OPTION=VALUE...], such as nvme@00:04.0,file=disk.img");
    }
    DeviceModelInfo model = model(text, parts[0].substring(0, at), models);
    RequesterId id = address(DEVICE, text, parts[0].substring(at + 1));
    Map<String, String> options = new LinkedHashMap<>();
    for (int i = 1; i < parts.length; i++) {
      int sign = parts[i].indexOf('=');
      String name = sign < 0 ? parts[i] : parts[i].substring(0, sign);
      if (sign < 1) {
        throw bad(
            DEVICE,
            text,
            BadInputException.quote(parts[i]) + " should be OPTION=VALUE; " + optionsOf(model));
      }
      if (model.options().stream().noneMatch(option -> option.name().equals(name))) {
        throw bad(
            DEVICE,
            text,
            "there is no option " + BadInputException.quote(name) + "; " + optionsOf(model));
      }
      if (options.put(name, parts[i].substring(sign + 1)) != null) {
        throw bad(DEVICE, text, "option " + name + " is given twice");
      }
    }
    for (DeviceOption option : model.options()) {
      if (option.defaultText().isEmpty() && !options.containsKey(option.name())) {
        throw bad(
            DEVICE,
            text,
            "needs %s=%s (%s)".formatted(option.name(), option.form(), option.description()));
      }
    }
    return new DeviceSpec(model.name(), id, options);
  }

  private static DeviceModelInfo model(String text, String name, List<DeviceModelInfo> models)
      throws BadInputException {
    for (DeviceModelInfo model : models) {
      if (model.name().equals(name)) {
        return model;
      }
    }
    throw bad(
        DEVICE,
        text,
        models.isEmpty()
            ? "no plugin offers a device model; \"domus plugin list\" shows what was found"
            : "there is no device model %s; there is %s"
                .formatted(
                    BadInputException.quote(name),
                    models.stream().map(DeviceModelInfo::name).collect(Collectors.joining(", "))));
  }

  private static String optionsOf(DeviceModelInfo model) {
    return model.options().isEmpty()
        ? model.name() + " has none"
        : model.name()
            + " has "
            + model.options().stream().map(DeviceOption::name).collect(Collectors.joining(", "));
  }

  private static RequesterId address(String option, String text, String address)
      throws BadInputException {
    try {
      return RequesterId.parse(
          address.startsWith(SEGMENT) ? address.substring(SEGMENT.length()) : address);
    } catch (IllegalArgumentException noAddress) {
      throw bad(
          option,
          text,
          BadInputException.quote(address)
              + " is no PCI address; write bus, device (to 1f) and function (to 7) in hexadecimal, like 00:04.0");
    }
  }

  private static BadInputException bad(String option, String value, String problem) {
    return new BadInputException(option + ": " + BadInputException.quote(value) + ": " + problem);
  }

  /**
   * Gives a guest its devices. It does not run yet.
   *
   * @throws MachineException if a device does not do its part, or there is no memory for it
   */
  void attachTo(Guest guest) throws BadInputException, MachineException {
    try {
      attach(guest);
    } catch (HypercallException refused) {
      throw new MachineException(PCI + ": " + refused.getMessage());
    }
  }

  private void attach(Guest guest) throws BadInputException {
    for (String text : assigned) {
      guest.attachDevice(address(PCI, text, text));
    }
  }
}

package dev.domus.nvme;

import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DeviceOption;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Makes NVMe controllers over files of the host. */
public final class NvmeModel implements DeviceModel {
  private static final int MAX_PAIRS = 32;
  private static final int MAX_SERIAL = 20;

  /** Made by the plugin host. */
  public NvmeModel() {}

  @Override
  public String name() {
    return "nvme";
  }

  @Override
  public String description() {
    return "NVMe controller (1.4) with one namespace, over a file of the host";
  }

  @Override
  public List<DeviceOption> options() {
    return List.of(
        new DeviceOption(
            "file", "PATH", Optional.empty(), "the disk: a file or block device that exists"),
        new DeviceOption(
            "readonly", "yes | no", Optional.of("no"), "whether the disk is write protected"),
        new DeviceOption(
            "block-size", "512 | 4096", Optional.of("512"), "bytes of a logical block"),
        new DeviceOption(
            "queues",
            "1 … " + MAX_PAIRS,
            Optional.of("4"),
            "pairs of I/O queues, each with a thread and an interrupt of its own"),
        new DeviceOption(
            "serial",
            "TEXT",
            Optional.of(""),
            "serial number, up to 20 characters of ASCII; by default made of the path"));
  }

  @Override
  public Device create(Map<String, String> options) throws DeviceException {
    Path file = Path.of(options.get("file")).toAbsolutePath().normalize();
    boolean readOnly =
        switch (options.get("readonly")) {
          case "yes" -> true;
          case "no" -> false;
          default -> throw bad("readonly", options, "yes or no");
        };
    int blockOrder =
        switch (options.get("block-size")) {
          case "512" -> 9;
          case "4096" -> 12;
          default -> throw bad("block-size", options, "512 or 4096");
        };
    int pairs = pairs(options);
    String serial = serial(options, file);
    try {
      Disk disk = FileDisk.open(file, readOnly);
      Namespace namespace = new Namespace(disk, blockOrder, serial);
      if (namespace.blocks() == 0) {
        disk.close();
        throw new DeviceException(
            "the file has no room for a single block; make it larger (truncate -s 1G): file=%s bytes=%d"
                .formatted(file, disk.bytes()));
      }
      return new Controller(namespace, pairs);
    } catch (IOException e) {
      throw new DeviceException(
          "the file cannot be opened; create it (truncate -s 1G), or say readonly=yes if it may not be written: file=%s readonly=%s (%s)"
              .formatted(file, options.get("readonly"), e),
          e);
    }
  }

  private static int pairs(Map<String, String> options) throws DeviceException {
    try {
      int pairs = Integer.parseInt(options.get("queues"));
      if (pairs >= 1 && pairs <= MAX_PAIRS) {
        return pairs;
      }
    } catch (NumberFormatException e) {
      // as a number out of range
    }
    throw bad("queues", options, "a number from 1 to " + MAX_PAIRS);
  }

  private static String serial(Map<String, String> options, Path file) throws DeviceException {
    String serial = options.get("serial");
    if (serial.isEmpty()) {
      UUID of = UUID.nameUUIDFromBytes(file.toString().getBytes(StandardCharsets.UTF_8));
      return "%016x".formatted(of.getMostSignificantBits());
    }
    if (serial.length() > MAX_SERIAL || !serial.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      throw bad("serial", options, "up to 20 characters of ASCII");
    }
    return serial;
  }

  private static DeviceException bad(String option, Map<String, String> options, String remedy) {
    return new DeviceException(
        "option %s of an NVMe controller is %s: %s=%s"
            .formatted(option, remedy, option, options.get(option)));
  }
}

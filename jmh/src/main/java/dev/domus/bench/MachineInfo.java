package dev.domus.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The machine that was measured on, as far as it bears on the figures.
 *
 * @param processor its model, as the host's kernel names it
 * @param cpus how many processors the JVM may use
 * @param memoryMib the host's memory
 * @param kernel operating system and version
 * @param jvm the JVM
 * @param hugePages the host's policy of transparent huge pages for shared memory
 * @param load what else it had to do when the run began: the load average of a minute, −1 if
 *     unknown
 */
record MachineInfo(
    String processor,
    int cpus,
    long memoryMib,
    String kernel,
    String jvm,
    String hugePages,
    double load) {
  /** This one, now. */
  static MachineInfo read() {
    return new MachineInfo(
        field("/proc/cpuinfo", "model name").orElse(System.getProperty("os.arch")),
        Runtime.getRuntime().availableProcessors(),
        field("/proc/meminfo", "MemTotal")
            .map(text -> Long.parseLong(text.split(" ")[0]) >> 10)
            .orElse(-1L),
        System.getProperty("os.name") + " " + System.getProperty("os.version"),
        System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"),
        chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
  }

  private static Optional<String> field(String file, String name) {
    try (var lines = Files.lines(Path.of(file))) {
      return lines
          .filter(line -> line.startsWith(name))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst();
    } catch (IOException notThere) {
      return Optional.empty(); // another system than Linux
    }
  }

  private static String chosen(String file) {
    try {
      String text = Files.readString(Path.of(file));
      return text.substring(text.indexOf('[') + 1, text.indexOf(']'));
    } catch (IOException notThere) {
      return "unknown";
    }
  }
}

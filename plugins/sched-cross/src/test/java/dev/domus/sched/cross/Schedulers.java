package dev.domus.sched.cross;

import dev.domus.kernel.sched.SchedulerFactory;
import java.io.File;
import java.lang.module.ModuleFinder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** All schedulers there are: what the module descriptors on the class path provide. */
final class Schedulers {
  /** Of the domain ids that tests use, those to which an ARINC 653 table gives windows. */
  static final int DOMAINS_IN_TABLE = 24;

  private Schedulers() {}

  /** Each of them, in the order of names. */
  static List<SchedulerFactory> all() {
    List<SchedulerFactory> found = new ArrayList<>();
    String service = SchedulerFactory.class.getName();
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path path = Path.of(entry);
      if (!path.getFileName().toString().endsWith(".jar") || entry.contains("sched-")) {
        ModuleFinder.of(path).findAll().stream()
            .flatMap(module -> module.descriptor().provides().stream())
            .filter(provides -> provides.service().equals(service))
            .flatMap(provides -> provides.providers().stream())
            .map(Schedulers::make)
            .forEach(found::add);
      }
    }
    found.sort(Comparator.comparing(SchedulerFactory::name));
    return found;
  }

  private static SchedulerFactory make(String className) {
    try {
      return (SchedulerFactory) Class.forName(className).getConstructor().newInstance();
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(className, e);
    }
  }

  /** The one of a name. */
  static SchedulerFactory named(String name) {
    return all().stream().filter(factory -> factory.name().equals(name)).findFirst().orElseThrow();
  }

  /** What it needs to be told: nothing, but for a frame table. */
  static Map<String, String> parameters(SchedulerFactory factory, int pcpus) {
    if (!factory.name().equals("arinc653")) {
      return Map.of();
    }
    StringJoiner rows = new StringJoiner("/");
    for (int pcpu = 0; pcpu < pcpus; pcpu++) {
      StringJoiner row = new StringJoiner(",");
      for (int i = 0; i < DOMAINS_IN_TABLE; i++) {
        // No vCPU is in two rows at once, and the idle ends make all rows equally long.
        int domid = (i + pcpu * DOMAINS_IN_TABLE / pcpus) % DOMAINS_IN_TABLE;
        row.add("d%dv0:500us".formatted(domid));
      }
      rows.add(row.add("idle:1ms").toString());
    }
    return Map.of("schedule", rows.toString());
  }
}

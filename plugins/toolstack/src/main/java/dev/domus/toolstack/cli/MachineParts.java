package dev.domus.toolstack.cli;

import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Host;
import dev.domus.toolstack.BadInputException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** Chooses engine, scheduler and driver domains by name, and the size of the machine. */
record MachineParts(Host host) {
  /** The first cpupool, called as Xen calls it. */
  static final String POOL = "Pool-0";

  /** The scheduler that is used if none is named, where it is there. */
  private static final String USUAL_SCHEDULER = "credit";

  /**
   * What the hypervisor and its services need beside the guests' memory: shared info, grant tables,
   * rings. It is reserved, not used, so it may be generous.
   */
  private static final long OVERHEAD_BYTES = 64L << 20;

  /** How much machine memory guests of a total size need. */
  static long memoryFor(long guestBytes) {
    return guestBytes + OVERHEAD_BYTES;
  }

  String engine(Optional<String> wanted) throws BadInputException {
    return choose("--engine", "engine", host.engines(), wanted, Optional.empty());
  }

  String scheduler(Optional<String> wanted) throws BadInputException {
    return choose(
        "--scheduler", "scheduler", host.schedulers(), wanted, Optional.of(USUAL_SCHEDULER));
  }

  /**
   * The driver domains that were asked for.
   *
   * @param wanted each {@code NAME=SERVICE[,SERVICE...]}
   */
  List<DriverDomainSpec> driverDomains(List<String> wanted) throws BadInputException {
    List<DriverDomainSpec> drivers = new ArrayList<>();
    Set<String> names = new HashSet<>();
    Set<String> placed = new HashSet<>();
    for (String each : wanted) {
      int sign = each.indexOf('=');
      if (sign < 1 || sign == each.length() - 1) {
        throw bad(each, "should be NAME=SERVICE[,SERVICE...], such as drivers=console");
      }
      String name = each.substring(0, sign);
      List<String> services = List.of(each.substring(sign + 1).split(",", -1));
      if (!names.add(name)) {
        throw bad(each, "there is a driver domain of that name already; choose another");
      }
      for (String service : services) {
        if (!host.services().contains(service)) {
          throw bad(
              each,
              "there is no service "
                  + BadInputException.quote(service)
                  + "; there is "
                  + String.join(", ", host.services()));
        }
        if (!placed.add(service)) {
          throw bad(each, "service " + service + " has a driver domain already; name it once");
        }
      }
      drivers.add(new DriverDomainSpec(name, services));
    }
    return drivers;
  }

  private static BadInputException bad(String value, String problem) {
    return new BadInputException(
        "--driver-domain: " + BadInputException.quote(value) + ": " + problem);
  }

  private static String choose(
      String option,
      String kind,
      List<Host.NamedPart> parts,
      Optional<String> wanted,
      Optional<String> usual)
      throws BadInputException {
    List<String> names = parts.stream().map(Host.NamedPart::name).toList();
    if (names.isEmpty()) {
      throw new BadInputException(
          "no plugin offers a " + kind + "; \"domus plugin list\" shows what was found");
    }
    if (wanted.isEmpty()) {
      return usual.filter(names::contains).orElse(names.getFirst());
    }
    if (!names.contains(wanted.get())) {
      throw new BadInputException(
          option
              + ": there is no "
              + kind
              + " "
              + BadInputException.quote(wanted.get())
              + "; there is "
              + names.stream().collect(Collectors.joining(", ")));
    }
    return wanted.get();
  }
}

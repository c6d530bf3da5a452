package dev.domus.sched.simulator.scenario;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * A scheduler with its parameters: a column of the report.
 *
 * @param label as the user wrote it
 */
public record Contender(String label, SchedulerFactory factory, SchedParameters values) {
  /** What stands for every scheduler there is. */
  private static final String ALL = "all";

  /**
   * Reads {@code NAME[:PARAMETER=VALUE…],…}.
   *
   * @param known the schedulers there are
   */
  public static List<Contender> read(String text, List<SchedulerFactory> known)
      throws UsageException {
    if (known.isEmpty()) {
      throw new UsageException(
          "no plugin offers a scheduler; \"domus plugin list\" shows what was found");
    }
    List<Contender> contenders = new ArrayList<>();
    for (String label : text.split(",", -1)) {
      if (label.strip().equals(ALL)) {
        for (SchedulerFactory factory : known) {
          contenders.add(read(factory.name(), factory.name(), List.of(), known));
        }
      } else {
        List<String> parts = List.of(label.strip().split(":", -1));
        contenders.add(
            read(label.strip(), parts.getFirst(), parts.subList(1, parts.size()), known));
      }
    }
    return contenders;
  }

  private static Contender read(
      String label, String name, List<String> settings, List<SchedulerFactory> known)
      throws UsageException {
    SchedulerFactory factory =
        find(name, known)
            .orElseThrow(() ->
                new UsageException(
                    "--scheduler: there is no scheduler \"%s\"; there is %s"
                        .formatted(
                            name,
                            known.stream()
                                .map(SchedulerFactory::name)
                                .collect(Collectors.joining(", ")))));
    Map<String, String> given = new LinkedHashMap<>();
    for (String setting : settings) {
      int equals = setting.indexOf('=');
      if (equals <= 0) {
        throw new UsageException(
            "--scheduler %s: \"%s\" is no parameter; write %s:PARAMETER=VALUE"
                .formatted(label, setting, name));
      }
      given.put(setting.substring(0, equals), setting.substring(equals + 1));
    }
    try {
      return new Contender(label, factory, SchedParameters.check(factory, given, known));
    } catch (IllegalArgumentException refusal) {
      throw new UsageException("--scheduler " + label + ": " + refusal.getMessage());
    }
  }

  static Optional<SchedulerFactory> find(String name, List<SchedulerFactory> known) {
    return known.stream().filter(factory -> factory.name().equals(name)).findFirst();
  }
}

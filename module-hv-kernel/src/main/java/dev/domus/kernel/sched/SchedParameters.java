package dev.domus.kernel.sched;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Checked values of a scheduler's parameters: every declared one has a value in its range. */
public final class SchedParameters {
  private final Map<String, Long> values;

  private SchedParameters(Map<String, Long> values) {
    this.values = values;
  }

  /**
   * Checks what a user gave against what a scheduler declares.
   *
   * @param factory the scheduler
   * @param given name to text; what is absent gets its default
   * @throws IllegalArgumentException with a message for the user
   */
  public static SchedParameters check(SchedulerFactory factory, Map<String, String> given) {
    List<SchedParameter> declared = factory.parameters();
    Map<String, Long> values = new TreeMap<>();
    for (SchedParameter parameter : declared) {
      String text = given.get(parameter.name());
      values.put(
          parameter.name(), text == null ? parameter.defaultValue() : parse(parameter, text));
    }
    for (String name : given.keySet()) {
      if (!values.containsKey(name)) {
        throw new IllegalArgumentException(
            "scheduler %s has no parameter %s; it has: %s"
                .formatted(factory.name(), name, names(declared)));
      }
    }
    return new SchedParameters(values);
  }

  /**
   * The value of a declared parameter.
   *
   * @throws IllegalArgumentException if it was not declared
   */
  public long get(String name) {
    Long value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("parameter was not declared: name=" + name);
    }
    return value;
  }

  /** All values by name, for listings. */
  public Map<String, Long> asMap() {
    return Map.copyOf(values);
  }

  private static long parse(SchedParameter parameter, String text) {
    long value;
    try {
      value = Long.parseLong(text.strip());
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "parameter %s wants a whole number%s: value=%s"
              .formatted(parameter.name(), inUnit(parameter), text),
          e);
    }
    if (value < parameter.min() || value > parameter.max()) {
      throw new IllegalArgumentException(
          "parameter %s must be in %d … %d%s: value=%d"
              .formatted(
                  parameter.name(), parameter.min(), parameter.max(), inUnit(parameter), value));
    }
    return value;
  }

  private static String inUnit(SchedParameter parameter) {
    return parameter.unit().isEmpty() ? "" : " " + parameter.unit();
  }

  private static String names(List<SchedParameter> declared) {
    return declared.isEmpty()
        ? "none"
        : declared.stream().map(SchedParameter::name).collect(Collectors.joining(", "));
  }
}

package dev.domus.kernel.sched;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Checked values of declared parameters: every declared one has a value in its range. Immutable.
 */
public final class SchedParameters {
  private final Map<String, String> values;

  private SchedParameters(Map<String, String> values) {
    this.values = Map.copyOf(values);
  }

  /**
   * Checks what a user gave for a pool against what its scheduler declares.
   *
   * @param factory the scheduler
   * @param given name to text; what is absent gets its default
   * @throws IllegalArgumentException with a message for the user
   */
  public static SchedParameters check(SchedulerFactory factory, Map<String, String> given) {
    return check(factory, given, List.of());
  }

  /**
   * As {@link #check(SchedulerFactory, Map)}; a name that another scheduler declares is refused
   * with the name of that one.
   *
   * @param known all schedulers there are
   */
  public static SchedParameters check(
      SchedulerFactory factory,
      Map<String, String> given,
      Collection<? extends SchedulerFactory> known) {
    requireDeclared("", factory, factory.parameters(), given, known);
    return filled(factory.parameters(), given);
  }

  /**
   * Checks what a user gave for a unit. What is absent keeps the value it had.
   *
   * @param factory the scheduler whose parameters they are
   * @param given name to text
   * @param before what was given before for that scheduler
   * @param known all schedulers there are
   * @throws IllegalArgumentException with a message for the user; also if the scheduler refuses the
   *     values together
   */
  public static SchedParameters checkUnit(
      SchedulerFactory factory,
      Map<String, String> given,
      SchedParameters before,
      Collection<? extends SchedulerFactory> known) {
    requireDeclared("unit ", factory, factory.unitParameters(), given, known);
    Map<String, String> all = new TreeMap<>(before.values);
    all.putAll(given);
    SchedParameters checked = filled(factory.unitParameters(), all);
    factory.checkUnit(checked);
    return checked;
  }

  /**
   * A unit's values for a scheduler that may have changed its declaration since they were given: a
   * value that does not fit any more gives way to the default.
   */
  public static SchedParameters ofUnit(SchedulerFactory factory, SchedParameters given) {
    Map<String, String> fitting = new TreeMap<>();
    for (SchedParameter parameter : factory.unitParameters()) {
      String text = given.values.getOrDefault(parameter.name(), parameter.defaultText());
      try {
        fitting.put(parameter.name(), parameter.check(text));
      } catch (IllegalArgumentException outdated) {
        fitting.put(parameter.name(), parameter.check(parameter.defaultText()));
      }
    }
    return new SchedParameters(fitting);
  }

  /** No values at all. */
  public static SchedParameters none() {
    return new SchedParameters(Map.of());
  }

  private static SchedParameters filled(List<SchedParameter> declared, Map<String, String> given) {
    Map<String, String> values = new TreeMap<>();
    for (SchedParameter parameter : declared) {
      String text = given.getOrDefault(parameter.name(), parameter.defaultText());
      values.put(parameter.name(), parameter.check(text));
    }
    return new SchedParameters(values);
  }

  private static void requireDeclared(
      String kind,
      SchedulerFactory factory,
      List<SchedParameter> declared,
      Map<String, String> given,
      Collection<? extends SchedulerFactory> known) {
    for (String name : given.keySet()) {
      if (!declares(declared, name)) {
        String owners =
            known.stream()
                .filter(other ->
                    declares(kind.isEmpty() ? other.parameters() : other.unitParameters(), name))
                .map(SchedulerFactory::name)
                .collect(Collectors.joining(", "));
        throw new IllegalArgumentException(
            "scheduler %s has no %sparameter %s%s; it has: %s"
                .formatted(
                    factory.name(),
                    kind,
                    name,
                    owners.isEmpty() ? "" : ", which belongs to " + owners,
                    names(declared)));
      }
    }
  }

  private static boolean declares(List<SchedParameter> declared, String name) {
    return declared.stream().anyMatch(parameter -> parameter.name().equals(name));
  }

  private static String names(List<SchedParameter> declared) {
    return declared.isEmpty()
        ? "none"
        : declared.stream().map(SchedParameter::name).collect(Collectors.joining(", "));
  }

  /**
   * The value of a declared {@link SchedParameter.Numeric}.
   *
   * @throws IllegalArgumentException if it was not declared
   */
  public long get(String name) {
    return Long.parseLong(text(name));
  }

  /** The value of a declared {@link SchedParameter.Flag}; throws as {@link #get}. */
  public boolean isOn(String name) {
    return text(name).equals("on");
  }

  /**
   * The value of a declared {@link SchedParameter.Choice} or {@link SchedParameter.Text}; throws as
   * {@link #get}.
   */
  public String text(String name) {
    String value = values.get(name);
    if (value == null) {
      throw new IllegalArgumentException("parameter was not declared: name=" + name);
    }
    return value;
  }

  /** All values by name, for listings. */
  public Map<String, String> asMap() {
    return values;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof SchedParameters those && values.equals(those.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return new TreeMap<>(values).toString();
  }
}

package dev.domus.kernel.sched;

import java.util.List;

/**
 * A parameter that a scheduler declares: of a pool ({@link SchedulerFactory#parameters}) or of a
 * unit ({@link SchedulerFactory#unitParameters}). Command line, {@code --json} and documentation
 * are made from the declaration, and what a user gives is checked against it before the scheduler
 * sees it.
 *
 * <p>Names are as on the command line: lower case, words joined by hyphens, without the unit.
 */
public sealed interface SchedParameter {
  /** The parameter's name. */
  String name();

  /** One line. */
  String description();

  /** The value if none is given, as a user would write it. */
  String defaultText();

  /** What kind of value it is, in a word: number, flag, choice, text. */
  String type();

  /** What may be given, for messages and listings: {@code 1 … 1000 ms}. */
  String range();

  /**
   * Checks what a user gave.
   *
   * @return the value as {@link SchedParameters} keeps it
   * @throws IllegalArgumentException with a message for the user, that names the parameter
   */
  String check(String text);

  /**
   * A whole number.
   *
   * @param unit {@code us}, {@code ms}, {@code percent}; empty for a plain number
   * @param min the smallest value allowed
   * @param max the largest value allowed
   * @param defaultValue the value if none is given
   */
  record Numeric(
      String name, String unit, long min, long max, long defaultValue, String description)
      implements SchedParameter {
    /** Checks that the declaration makes sense. */
    public Numeric {
      if (min > defaultValue || defaultValue > max) {
        throw new IllegalArgumentException(
            "default outside its range: parameter=%s min=%d default=%d max=%d"
                .formatted(name, min, defaultValue, max));
      }
    }

    @Override
    public String defaultText() {
      return Long.toString(defaultValue);
    }

    @Override
    public String type() {
      return "number";
    }

    @Override
    public String range() {
      return min + " … " + max + inUnit();
    }

    @Override
    public String check(String text) {
      long value;
      try {
        value = Long.parseLong(text.strip());
      } catch (NumberFormatException e) {
        throw new IllegalArgumentException(
            "parameter %s wants a whole number%s: value=%s"
                .formatted(name, unit.isEmpty() ? "" : " of " + unit, text),
            e);
      }
      if (value < min || value > max) {
        throw new IllegalArgumentException(
            "parameter %s must be in %s: value=%d".formatted(name, range(), value));
      }
      return Long.toString(value);
    }

    private String inUnit() {
      return unit.isEmpty() ? "" : " " + unit;
    }
  }

  /** On or off. */
  record Flag(String name, boolean defaultValue, String description) implements SchedParameter {
    @Override
    public String defaultText() {
      return defaultValue ? "on" : "off";
    }

    @Override
    public String type() {
      return "flag";
    }

    @Override
    public String range() {
      return "on or off";
    }

    @Override
    public String check(String text) {
      return switch (text.strip()) {
        case "on", "true", "yes", "1" -> "on";
        case "off", "false", "no", "0" -> "off";
        default ->
            throw new IllegalArgumentException(
                "parameter %s must be on or off: value=%s".formatted(name, text));
      };
    }
  }

  /**
   * One of a few words.
   *
   * @param choices all of them; the default is among them
   */
  record Choice(String name, List<String> choices, String defaultText, String description)
      implements SchedParameter {
    /** Checks that the declaration makes sense. */
    public Choice {
      choices = List.copyOf(choices);
      if (!choices.contains(defaultText)) {
        throw new IllegalArgumentException(
            "default is no choice: parameter=%s default=%s".formatted(name, defaultText));
      }
    }

    @Override
    public String type() {
      return "choice";
    }

    @Override
    public String range() {
      return String.join(", ", choices);
    }

    @Override
    public String check(String text) {
      if (!choices.contains(text.strip())) {
        throw new IllegalArgumentException(
            "parameter %s must be one of %s: value=%s".formatted(name, range(), text));
      }
      return text.strip();
    }
  }

  /**
   * Anything that does not fit into one number or word, as a schedule table; the scheduler reads
   * it, in {@link SchedulerFactory#create} or {@link SchedulerFactory#checkUnit}.
   *
   * @param form what it looks like, for the user
   */
  record Text(String name, String form, String defaultText, String description)
      implements SchedParameter {
    @Override
    public String type() {
      return "text";
    }

    @Override
    public String range() {
      return form;
    }

    @Override
    public String check(String text) {
      return text.strip();
    }
  }
}

package dev.domus.kernel.sched;

/**
 * A parameter that a scheduler declares. All values are whole numbers.
 *
 * @param name as on the command line: lower case, words joined by hyphens, without the unit
 * @param unit {@code us}, {@code ms}, {@code percent}; empty for a plain number
 * @param min the smallest value allowed
 * @param max the largest value allowed
 * @param defaultValue the value if none is given
 * @param description one line
 */
public record SchedParameter(
    String name, String unit, long min, long max, long defaultValue, String description) {
  /** Checks that the declaration makes sense. */
  public SchedParameter {
    if (min > defaultValue || defaultValue > max) {
      throw new IllegalArgumentException(
          "default outside its range: parameter=%s min=%d default=%d max=%d"
              .formatted(name, min, defaultValue, max));
    }
  }
}

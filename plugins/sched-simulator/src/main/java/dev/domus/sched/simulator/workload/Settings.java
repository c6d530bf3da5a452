package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.CpuMask;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * The settings of one workload as the user wrote them, taken one by one; what has not been taken in
 * the end was a mistake. Messages name the workload, the setting, the value, and what would be
 * right.
 */
final class Settings {
  private final String where;
  private final Map<String, String> given;
  private final List<String> known = new ArrayList<>();

  /**
   * Settings.
   *
   * @param where what they are of, for messages
   */
  Settings(String where, Map<String, String> given) {
    this.where = where;
    this.given = new LinkedHashMap<>(given);
  }

  private String take(String key, String usual) {
    known.add(key);
    String text = given.remove(key);
    return text == null ? usual : text;
  }

  boolean has(String key) {
    return given.containsKey(key);
  }

  String text(String key, String usual) {
    return take(key, usual);
  }

  long duration(String key, String usual) throws UsageException {
    String text = take(key, usual);
    return Durations.parse(text).orElseThrow(() -> wrong(key, text, Durations.FORM));
  }

  Distribution distribution(String key, String usual) throws UsageException {
    String text = take(key, usual);
    return Distribution.parse(text).orElseThrow(() -> wrong(key, text, Distribution.FORM));
  }

  /**
   * A program that does something new more often than each microsecond is a mistake, and would take
   * for ever.
   */
  void requireSlow(String keys, double meanNanos) throws UsageException {
    if (meanNanos < 1_000) {
      throw refuse(keys + " make less than 1 us on average; write something longer");
    }
  }

  int number(String key, int least, int most, int usual) throws UsageException {
    String text = take(key, Integer.toString(usual));
    String range = "a number of " + least + " to " + most;
    try {
      int number = Integer.parseInt(text.strip());
      if (number < least || number > most) {
        throw wrong(key, text, range);
      }
      return number;
    } catch (NumberFormatException e) {
      throw wrong(key, text, range);
    }
  }

  <E extends Enum<E>> E word(String key, Class<E> words, E usual) throws UsageException {
    String text = take(key, lower(usual));
    List<String> all = new ArrayList<>();
    for (E word : words.getEnumConstants()) {
      if (lower(word).equals(text.strip())) {
        return word;
      }
      all.add(lower(word));
    }
    throw wrong(key, text, "one of " + String.join(", ", all));
  }

  private static String lower(Enum<?> word) {
    return word.name().toLowerCase(Locale.ROOT);
  }

  /** A set of pCPUs: {@code 0-3+8}. */
  CpuMask cpus(String key, int pcpus) throws UsageException {
    String text = take(key, "all");
    if (text.equals("all")) {
      return CpuMask.ALL;
    }
    String form = "pCPUs of 0 to " + (pcpus - 1) + " joined by +, as 0-3+8";
    List<Integer> numbers = new ArrayList<>();
    for (String part : text.split("\\+", -1)) {
      String[] ends = part.strip().split("-", -1);
      try {
        int first = Integer.parseInt(ends[0]);
        int last = ends.length == 1 ? first : Integer.parseInt(ends[1]);
        if (ends.length > 2 || first > last || last >= pcpus) {
          throw wrong(key, text, form);
        }
        for (int n = first; n <= last; n++) {
          numbers.add(n);
        }
      } catch (NumberFormatException e) {
        throw wrong(key, text, form);
      }
    }
    return CpuMask.of(numbers.stream().mapToInt(Integer::intValue).toArray());
  }

  /** What is left with a dot in its name: {@code SCHEDULER.PARAMETER}, by scheduler. */
  Map<String, Map<String, String>> ofSchedulers() {
    Map<String, Map<String, String>> bySchedulers = new TreeMap<>();
    for (String key : List.copyOf(given.keySet())) {
      int dot = key.indexOf('.');
      if (dot > 0) {
        bySchedulers
            .computeIfAbsent(key.substring(0, dot), name -> new TreeMap<>())
            .put(key.substring(dot + 1), given.remove(key));
      }
    }
    return bySchedulers;
  }

  /** Nothing must be left. */
  void end() throws UsageException {
    for (Map.Entry<String, String> left : given.entrySet()) {
      throw new UsageException(
          "%s: there is no setting %s (=%s); there are %s, and SCHEDULER.PARAMETER"
              .formatted(where, left.getKey(), left.getValue(), String.join(", ", known)));
    }
  }

  UsageException wrong(String key, String value, String remedy) {
    return new UsageException(
        "%s: %s=%s is not understood; write %s".formatted(where, key, value, remedy));
  }

  UsageException refuse(String problem) {
    return new UsageException(where + ": " + problem);
  }
}

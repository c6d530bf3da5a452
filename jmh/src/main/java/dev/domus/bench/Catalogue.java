package dev.domus.bench;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.VerboseMode;

/** The benchmarks that are about a path, as JMH's own list and their annotations tell. */
final class Catalogue {
  private final List<Entry> entries;

  /**
   * One benchmark of a path.
   *
   * @param path the path
   * @param what one operation, in a line
   * @param benchmark its full name
   * @param floor the full name of its lower bound
   * @param threads numbers of threads to run it with
   * @param quick whether a quick run has it
   * @param parameters its parameters, each with its values
   */
  record Entry(
      String path,
      String what,
      String benchmark,
      String floor,
      List<Integer> threads,
      boolean quick,
      Map<String, List<String>> parameters) {
    /** Class and method, without the package. */
    String shortName() {
      return Catalogue.shortName(benchmark);
    }
  }

  private Catalogue(List<Entry> entries) {
    this.entries = List.copyOf(entries);
  }

  /** Reads what was compiled in. */
  static Catalogue read() {
    var out = OutputFormatFactory.createFormatInstance(System.err, VerboseMode.SILENT);
    List<Entry> entries = new ArrayList<>();
    BenchmarkList.defaultList()
        .getAll(out, List.of())
        .forEach(listed -> entry(listed.getUsername()).ifPresent(entries::add));
    entries.sort(Comparator.comparing(Entry::path).thenComparing(Entry::benchmark));
    return new Catalogue(entries);
  }

  private static Optional<Entry> entry(String benchmark) {
    Method method = method(benchmark);
    MappingPath path = method.getAnnotation(MappingPath.class);
    if (path == null) {
      return Optional.empty();
    }
    String owner = method.getDeclaringClass().getName();
    String floor =
        path.floor().contains(".")
            ? method.getDeclaringClass().getPackageName() + "." + path.floor()
            : owner + "." + path.floor();
    method(floor);
    return Optional.of(
        new Entry(
            path.value(),
            path.what(),
            benchmark,
            floor,
            java.util.Arrays.stream(path.threads()).boxed().toList(),
            path.quick(),
            parameters(benchmark)));
  }

  private static Method method(String benchmark) {
    int dot = benchmark.lastIndexOf('.');
    try {
      Class<?> type = Class.forName(benchmark.substring(0, dot));
      for (Method method : type.getMethods()) {
        if (method.getName().equals(benchmark.substring(dot + 1))) {
          return method;
        }
      }
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException("no class for benchmark=" + benchmark, e);
    }
    throw new IllegalStateException("no method for benchmark=" + benchmark);
  }

  /** Parameters of a benchmark's class. */
  static Map<String, List<String>> parameters(String benchmark) {
    Map<String, List<String>> parameters = new TreeMap<>();
    Class<?> type = method(benchmark).getDeclaringClass();
    for (var field : type.getDeclaredFields()) {
      Param values = field.getAnnotation(Param.class);
      if (values != null) {
        parameters.put(field.getName(), List.of(values.value()));
      }
    }
    return parameters;
  }

  /** Class and method of a full name, without the package. */
  static String shortName(String benchmark) {
    int method = benchmark.lastIndexOf('.');
    return benchmark.substring(benchmark.lastIndexOf('.', method - 1) + 1);
  }

  /** All benchmarks, by path. */
  List<Entry> entries() {
    return entries;
  }

  /** The paths, each with what its benchmarks do. */
  Map<String, List<Entry>> paths() {
    Map<String, List<Entry>> paths = new LinkedHashMap<>();
    entries.forEach(
        entry -> paths.computeIfAbsent(entry.path(), p -> new ArrayList<>()).add(entry));
    return paths;
  }
}

package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedUnit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Reads workloads as users write them: {@code KIND:SETTING=VALUE,…} on the command line, or a file
 * with a JSON array of objects that have the same settings and {@code "kind"}.
 *
 * <p>A workload without {@code count} gets its part of the vCPUs that the others leave of {@code
 * --vcpus}.
 */
public final class WorkloadReader {
  /** The most vCPUs, as in the statement of what this is to be good for, and then some. */
  public static final int MAX_VCPUS = 1_000_000;

  /** The most vCPUs of a domain. */
  private static final int MAX_DOMAIN_VCPUS = 512;

  private static final int LOCK_VCPUS = 4;
  private static final String KINDS = "cpu, io, rt, bursty, lock, trace";

  private final int pcpus;
  private final List<Draft> drafts = new ArrayList<>();

  /** A workload of which the number of domains, and of vCPUs in each, may be open. */
  private record Draft(Workload workload, OptionalInt domains, boolean vcpusAreOpen) {
    /** With the domains that some vCPUs make; at least one. */
    Workload of(long vcpus) {
      int each = Math.clamp(vcpus, 1, workload.vcpus());
      return vcpusAreOpen && each < workload.vcpus()
          ? workload.withDomains(1).withVcpus(each)
          : workload.withDomains((int) Math.max(1, vcpus / workload.vcpus()));
    }
  }

  /**
   * Nothing read yet.
   *
   * @param pcpus the pool's, which affinities are about
   */
  public WorkloadReader(int pcpus) {
    this.pcpus = pcpus;
  }

  /** Whether nothing has been read. */
  public boolean isEmpty() {
    return drafts.isEmpty();
  }

  /** Reads one as on the command line. */
  public void addText(String text) throws UsageException {
    int colon = text.indexOf(':');
    String kind = (colon < 0 ? text : text.substring(0, colon)).strip();
    Map<String, String> given = new LinkedHashMap<>();
    if (colon >= 0) {
      for (String setting : split(text.substring(colon + 1))) {
        int equals = setting.indexOf('=');
        if (equals <= 0) {
          throw new UsageException(
              "--workload %s: \"%s\" is no setting; write NAME=VALUE".formatted(text, setting));
        }
        put(given, setting.substring(0, equals).strip(), setting.substring(equals + 1), text);
      }
    }
    add(kind, given, "--workload " + text);
  }

  private static void put(Map<String, String> given, String key, String value, String where)
      throws UsageException {
    if (given.put(key, value.strip()) != null) {
      throw new UsageException(where + ": " + key + " is there twice; leave one out");
    }
  }

  /** At commas that are not in parentheses. */
  private static List<String> split(String text) {
    List<String> parts = new ArrayList<>();
    int depth = 0;
    int from = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      if (c == ',' && depth == 0) {
        parts.add(text.substring(from, i).strip());
        from = i + 1;
      }
    }
    parts.add(text.substring(from).strip());
    parts.removeIf(String::isEmpty);
    return parts;
  }

  /** Reads a JSON file. */
  public void addFile(Path file) throws UsageException {
    String text;
    try {
      text = Files.readString(file);
    } catch (IOException e) {
      throw new UsageException(
          file + ": cannot be read (" + e.getClass().getSimpleName() + "); give a JSON file");
    }
    try (JsonParser json = new JsonFactory().createParser(ObjectReadContext.empty(), text)) {
      if (json.nextToken() != JsonToken.START_ARRAY) {
        throw new UsageException(
            file + ": is no JSON array; write [{\"kind\": \"cpu\", \"count\": 4}, …]");
      }
      for (int n = 1; json.nextToken() == JsonToken.START_OBJECT; n++) {
        addObject(json, file + ", workload " + n);
      }
      if (json.currentToken() != JsonToken.END_ARRAY) {
        throw new UsageException(file + ": its array holds something else than objects");
      }
    } catch (JacksonException e) {
      throw new UsageException(
          "%s, line %d: %s".formatted(file, e.getLocation().getLineNr(), e.getOriginalMessage()));
    }
  }

  private void addObject(JsonParser json, String where) throws UsageException {
    Map<String, String> given = new LinkedHashMap<>();
    while (json.nextToken() == JsonToken.PROPERTY_NAME) {
      String key = json.currentName();
      if (!json.nextToken().isScalarValue()) {
        throw new UsageException(where + ": " + key + " is no text and no number; write one");
      }
      put(given, key, json.getString(), where);
    }
    String kind = given.remove("kind");
    if (kind == null) {
      throw new UsageException(where + ": has no \"kind\"; write one of " + KINDS);
    }
    add(kind, given, where);
  }

  private void add(String kind, Map<String, String> given, String where) throws UsageException {
    Settings settings = new Settings(where, given);
    if (kind.equals("trace")) {
      addTrace(settings);
      return;
    }
    Behaviour behaviour =
        switch (kind) {
          case "cpu" -> CpuBound.read(settings);
          case "io" -> IoBound.read(settings);
          case "rt" -> Periodic.read(settings);
          case "bursty" -> Bursty.read(settings);
          case "lock" -> Locking.read(settings);
          default ->
              throw new UsageException(
                  "%s: there is no kind \"%s\"; there are %s".formatted(where, kind, KINDS));
        };
    int usualVcpus = behaviour instanceof Locking ? LOCK_VCPUS : 1;
    int weight = settings.number("weight", 1, SchedUnit.MAX_WEIGHT, SchedUnit.DEFAULT_WEIGHT);
    boolean counted = settings.has("count");
    boolean vcpusAreOpen = !counted && !settings.has("vcpus");
    Workload workload =
        new Workload(
            settings.text("name", kind),
            behaviour,
            weight,
            settings.number("cap", 0, 100 * MAX_DOMAIN_VCPUS, SchedUnit.NO_CAP),
            settings.cpus("affinity", pcpus),
            settings.cpus("soft-affinity", pcpus),
            settings.number("count", 1, MAX_VCPUS, 1),
            settings.number("vcpus", 1, MAX_DOMAIN_VCPUS, usualVcpus),
            settings.ofSchedulers());
    settings.end();
    drafts.add(
        new Draft(
            workload,
            counted ? OptionalInt.of(workload.domains()) : OptionalInt.empty(),
            vcpusAreOpen));
  }

  /** One workload for all recorded domains that are alike. */
  private void addTrace(Settings settings) throws UsageException {
    String file = settings.text("file", "");
    if (file.isEmpty()) {
      throw settings.refuse("a recording is missing; write file=NAME");
    }
    String name = settings.text("name", "trace");
    RecordedTrace.Timing timing =
        settings.word("timing", RecordedTrace.Timing.class, RecordedTrace.Timing.SLEEP);
    int copies = settings.number("count", 1, MAX_VCPUS, 1);
    CpuMask affinity = settings.cpus("affinity", pcpus);
    CpuMask softAffinity = settings.cpus("soft-affinity", pcpus);
    Map<String, Map<String, String>> parameters = settings.ofSchedulers();
    settings.end();
    record Alike(int weight, int cap, int vcpus) {}
    Map<Alike, List<RecordedTrace.Domain>> groups = new LinkedHashMap<>();
    for (RecordedTrace.Domain domain : TraceReader.read(Path.of(file)).domains()) {
      groups
          .computeIfAbsent(
              new Alike(domain.weight(), domain.cap(), domain.vcpus().size()),
              alike -> new ArrayList<>())
          .add(domain);
    }
    for (Map.Entry<Alike, List<RecordedTrace.Domain>> group : groups.entrySet()) {
      Alike alike = group.getKey();
      List<RecordedTrace.Domain> domains = List.copyOf(group.getValue());
      Workload workload =
          new Workload(
              name,
              new RecordedTrace.Replay(file, domains, timing),
              alike.weight(),
              alike.cap(),
              affinity,
              softAffinity,
              Math.multiplyExact(copies, domains.size()),
              alike.vcpus(),
              parameters);
      drafts.add(new Draft(workload, OptionalInt.of(workload.domains()), false));
    }
  }

  /**
   * All that was read, with names that differ and with every number of domains known.
   *
   * @param vcpus how many there are to be in all; empty for as many as are asked for
   */
  public List<Workload> workloads(OptionalInt vcpus) throws UsageException {
    long counted = 0;
    int open = 0;
    for (Draft draft : drafts) {
      counted += draft.domains().isPresent() ? draft.workload().totalVcpus() : 0;
      open += draft.domains().isPresent() ? 0 : 1;
    }
    if (vcpus.isPresent()
        && (open == 0 ? counted != vcpus.getAsInt() : counted >= vcpus.getAsInt())) {
      throw new UsageException(
          "--vcpus is %d, but the workloads with a count have %d%s"
              .formatted(
                  vcpus.getAsInt(),
                  counted,
                  open == 0 ? "; leave --vcpus or a count out" : "; give more"));
    }
    long left = vcpus.isPresent() ? vcpus.getAsInt() - counted : 0;
    List<Workload> workloads = new ArrayList<>();
    Set<String> names = new HashSet<>();
    long total = 0;
    for (Draft draft : drafts) {
      Workload workload = draft.workload();
      if (draft.domains().isEmpty()) {
        workload = vcpus.isEmpty() ? workload : draft.of(left / open);
        left -= workload.totalVcpus();
        open--;
      }
      workload = withName(workload, names);
      workloads.add(workload);
      total += workload.totalVcpus();
    }
    if (total > MAX_VCPUS) {
      throw new UsageException(
          "the workloads have %d vCPUs; at most %d can be simulated".formatted(total, MAX_VCPUS));
    }
    return workloads;
  }

  private static Workload withName(Workload workload, Set<String> taken) {
    String name = workload.name();
    if (taken.contains(name)) {
      name = name + " w" + workload.weight();
    }
    String base = name;
    for (int n = 2; !taken.add(name); n++) {
      name = base + " " + n;
    }
    return workload.withName(name);
  }
}

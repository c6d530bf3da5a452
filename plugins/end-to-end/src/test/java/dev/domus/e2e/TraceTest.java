package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code domus run --trace}, {@code --top} and {@code domus trace}, with real guests. */
@Timeout(180)
class TraceTest {
  private static final Pattern FIELD = Pattern.compile("\"([a-z-]+)\":(?:\"([^\"]*)\"|(-?\\d+))");

  @TempDir private Path directory;

  private static String domus(int status, Object... arguments) throws Exception {
    try (DomusProcess domus = DomusProcess.start(arguments)) {
      domus.endInput();
      assertEquals(status, domus.await(120), domus::transcript);
      return domus.out();
    }
  }

  private static Map<String, String> fields(String line) {
    Map<String, String> fields = new HashMap<>();
    Matcher matcher = FIELD.matcher(line);
    while (matcher.find()) {
      fields.put(matcher.group(1), matcher.group(2) == null ? matcher.group(3) : matcher.group(2));
    }
    return fields;
  }

  @Test
  void twoGuestsThatTalkLeaveATraceInWhichEachRunHasItsReason() throws Exception {
    Path trace = directory.resolve("pingpong.trace");
    Path sched = directory.resolve("pingpong.sched");
    domus(0, "demo", "pingpong", "--trace", trace, "--trace", sched);
    List<Map<String, String>> records = new ArrayList<>();
    domus(0, "trace", trace, "--list", "--json").lines().forEach(line -> records.add(fields(line)));

    Map<String, Long> talking = new HashMap<>();
    Set<String> ready = new TreeSet<>();
    Map<String, String> picked = new HashMap<>();
    Map<String, String> onPcpu = new HashMap<>();
    Map<String, Long> ran = new HashMap<>();
    long wakes = 0;
    for (Map<String, String> r : records) {
      String vcpu = r.get("vcpu");
      switch (r.get("event")) {
        case "wake" -> {
          wakes++;
          ready.add(vcpu);
        }
        case "enqueue" -> ready.add(vcpu);
        case "pick" -> picked.put(r.get("pcpu"), vcpu);
        case "switch-in" -> {
          assertEquals(vcpu, picked.remove(r.get("pcpu")), r::toString);
          assertTrue(ready.contains(vcpu), () -> "runs without a wake-up: " + r);
          assertEquals(null, onPcpu.put(vcpu, r.get("pcpu")), r::toString);
        }
        case "switch-out" -> {
          assertEquals(r.get("pcpu"), onPcpu.remove(vcpu), r::toString);
          ran.merge(vcpu, Long.valueOf(r.get("ran")), Long::sum);
        }
        case "block" -> ready.remove(vcpu);
        case "event" -> talking.merge(r.get("by") + ">" + vcpu, 1L, Long::sum);
        default -> {}
      }
    }
    assertTrue(wakes > 0, "who sleeps until the other calls is woken");
    for (String way : List.of("d1v0>d2v0", "d2v0>d1v0")) {
      assertTrue(talking.getOrDefault(way, 0L) >= 500, "one call a round: " + talking);
    }
    assertEquals(Set.of("d1v0", "d2v0"), ran.keySet());

    Map<String, Long> told = new HashMap<>();
    List<String> lines = Files.readAllLines(sched);
    assertEquals("domus-sched-trace 1", lines.getFirst());
    for (String line : lines) {
      int at = line.indexOf("ran=");
      if (at >= 0) {
        told.merge(line.split(" ")[1], Long.valueOf(line.substring(at + 4)), Long::sum);
      }
    }
    assertEquals(ran, told);
    String summary = domus(0, "trace", trace);
    for (String part :
        List.of("d1v0", "d2v0", "event_channel_op/send", "WAIT-US-P50", "EVENTS-FROM")) {
      assertTrue(summary.contains(part), () -> "missing: " + part + " in " + summary);
    }
  }

  @Test
  void theTimesOfATraceAreTheCpuTimeOfTheStatisticsAndOtherFormatsAreMade() throws Exception {
    Path trace = directory.resolve("spin.trace");
    Path perfetto = directory.resolve("spin.pftrace");
    Path flight = directory.resolve("spin.jfr");
    String err;
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("spin"),
            "--cmdline",
            "seconds=2",
            "--stats",
            "--trace",
            trace,
            "--trace",
            perfetto,
            "--trace",
            flight,
            "--top")) {
      domus.endInput();
      assertEquals(0, domus.await(120), domus::transcript);
      err = domus.err();
    }
    assertTrue(err.contains("records traced"), err);
    assertTrue(err.contains("HYPERCALL/S") && !err.contains("\033["), err);
    Matcher cpu = Pattern.compile("in (\\d+\\.\\d{3}) s of CPU time").matcher(err);
    assertTrue(cpu.find(), err);
    long ran = 0;
    long calls = 0;
    long guestsCalls = 0;
    for (String line : domus(0, "trace", trace, "--list", "--json").lines().toList()) {
      Map<String, String> r = fields(line);
      ran += r.get("event").equals("switch-out") ? Long.parseLong(r.get("ran")) : 0;
      boolean guests = r.getOrDefault("vcpu", "").startsWith("d1v"); // domain 0 makes some, too
      calls += r.get("event").equals("hypercall") ? 1 : 0;
      guestsCalls += r.get("event").equals("hypercall") && guests ? 1 : 0;
    }
    assertEquals(Double.parseDouble(cpu.group(1)), ran / 1e9, 0.000_6, "to the last digit shown");
    Matcher counted = Pattern.compile("([\\d,]+) hypercalls").matcher(err);
    assertTrue(counted.find(), err);
    assertEquals(Long.parseLong(counted.group(1).replace(",", "")), guestsCalls);

    Map<String, Long> flown =
        RecordingFile.readAllEvents(flight).stream()
            .map(RecordedEvent::getEventType)
            .map(type -> type.getName())
            .collect(Collectors.groupingBy(name -> name, Collectors.counting()));
    assertEquals(calls, flown.get("dev.domus.Hypercall"));
    assertTrue(flown.containsKey("jdk.GCHeapSummary") || flown.containsKey("jdk.CPULoad"));
    Path again = directory.resolve("again.pftrace");
    domus(0, "trace", trace, "--export", "perfetto", "--output", again);
    assertEquals(-1, Files.mismatch(perfetto, again), "made at the end of the run, or later");
    assertFalse(Files.exists(directory.resolve("spin.trace.part")));
  }

  @Test
  void whatIsWrongWithAFileOrAnOptionIsOneLineWithStatus2() throws Exception {
    Path none = Files.writeString(directory.resolve("x.txt"), "x".repeat(100));
    Object kernel = DomusProcess.guest("hello");
    for (Object[] arguments :
        new Object[][] {
          {"trace", none},
          {"trace", directory.resolve("absent")},
          {"run", "--kernel", kernel, "--trace", directory.resolve("no/such/folder")},
          {"run", "--kernel", kernel, "--trace", directory.resolve("t"), "--trace-events", "schd"},
          {"run", "--kernel", kernel, "--trace-events", "sched"},
          {"trace", none, "--vcpu", "d1v0"},
        }) {
      try (DomusProcess domus = DomusProcess.start(arguments)) {
        domus.endInput();
        assertEquals(2, domus.await(60), domus::transcript);
        assertEquals(1, domus.err().strip().lines().count(), domus::transcript);
        assertTrue(domus.err().startsWith("domus: "), domus::transcript);
      }
    }
  }
}

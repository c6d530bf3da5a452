package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.sched.simulator.workload.RecordedTrace.Demand;
import dev.domus.sched.simulator.workload.RecordedTrace.Domain;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads recordings. The format is text, a line an event, so that anything can write it
 * (docs/simulator.md has it with an example):
 *
 * <pre>
 *   domus-sched-trace 1
 *   vcpu d1v0 weight=512 cap=0
 *   TIME d1v0 wake
 *   TIME d1v0 run pcpu=3
 *   TIME d1v0 expired|preempted|yielded|slept ran=NANOSECONDS
 * </pre>
 *
 * <p>The events are those that a scheduler hears of, in its words ({@link
 * dev.domus.kernel.sched.PutReason}). Times are in nanoseconds from any beginning, and do not go
 * back for one vCPU. {@code ran} is the CPU time that it had; without it, that is taken to be the
 * time since {@code run}. Attributes that are not known are stepped over. A recording may begin and
 * end anywhere: a vCPU that first runs was woken at that moment.
 */
final class TraceReader {
  private static final String HEADER = "domus-sched-trace 1";
  private static final Pattern VCPU = Pattern.compile("d(\\d{1,5})v(\\d{1,3})");
  private static final long MOST_VCPUS = 1_000_000;

  private final Path file;
  private final Map<Long, Recording> vcpus = new TreeMap<>();
  private int line;
  private long firstNanos = Long.MAX_VALUE;

  private TraceReader(Path file) {
    this.file = file;
  }

  /**
   * Reads a file.
   *
   * @throws UsageException with the line that is wrong, if it cannot be understood
   */
  static RecordedTrace read(Path file) throws UsageException {
    TraceReader reader = new TraceReader(file);
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      reader.read(lines);
    } catch (CharacterCodingException e) {
      throw new UsageException(file + ": is no text; give a recording that begins with " + HEADER);
    } catch (IOException e) {
      throw new UsageException(
          file + ": cannot be read (" + e.getClass().getSimpleName() + "); give a recording");
    }
    return reader.trace();
  }

  private void read(BufferedReader lines) throws IOException, UsageException {
    for (String text = lines.readLine(); text != null; text = lines.readLine()) {
      line++;
      String stripped = text.strip();
      if (line == 1) {
        if (!stripped.equals(HEADER)) {
          throw wrong("is no recording that can be read; its first line has to be " + HEADER);
        }
      } else if (!stripped.isEmpty() && stripped.charAt(0) != '#') {
        event(stripped.split("\\s+"));
      }
    }
    if (line == 0) {
      throw new UsageException(file + ": is empty; a recording begins with " + HEADER);
    }
  }

  private void event(String[] words) throws UsageException {
    if (words.length >= 2 && words[0].equals("vcpu")) {
      Recording vcpu = vcpu(words[1]);
      vcpu.weight = (int) number(words, "weight", vcpu.weight, 1, SchedUnit.MAX_WEIGHT);
      vcpu.cap = (int) number(words, "cap", vcpu.cap, 0, Integer.MAX_VALUE);
      return;
    }
    if (words.length < 3) {
      throw wrong("write TIME VCPU EVENT, as 1500 d1v0 wake");
    }
    long at = nanos("TIME", words[0], 0, Long.MAX_VALUE / 4);
    Recording vcpu = vcpu(words[1]);
    if (at < vcpu.lastNanos) {
      throw wrong(
          words[1] + " goes back from " + vcpu.lastNanos + " ns; sort its events by their times");
    }
    vcpu.lastNanos = at;
    firstNanos = Math.min(firstNanos, at);
    switch (words[2]) {
      case "wake" -> vcpu.wake(at);
      case "run" -> vcpu.run(at);
      case "expired", "preempted" -> vcpu.off(at, ran(words, vcpu, at));
      case "yielded" -> {
        vcpu.off(at, ran(words, vcpu, at));
        vcpu.pieceEnds(RecordedTrace.YIELDS, at);
      }
      case "slept" -> {
        vcpu.off(at, ran(words, vcpu, at));
        vcpu.pieceEnds(RecordedTrace.SLEEPS, at);
      }
      default ->
          throw wrong(
              "there is no event "
                  + words[2]
                  + "; there are wake, run, expired, preempted, yielded, slept");
    }
  }

  private long ran(String[] words, Recording vcpu, long at) throws UsageException {
    if (vcpu.runSinceNanos < 0) {
      return 0; // put to sleep while it waited, or before the recording began
    }
    return number(words, "ran", at - vcpu.runSinceNanos, 0, Durations.MAX_NANOS);
  }

  private Recording vcpu(String label) throws UsageException {
    Matcher matcher = VCPU.matcher(label);
    if (!matcher.matches()) {
      throw wrong("there is no vCPU " + label + "; write dDOMAINvNUMBER, as d1v0");
    }
    long key = Long.parseLong(matcher.group(1)) << 32 | Long.parseLong(matcher.group(2));
    if (vcpus.size() >= MOST_VCPUS && !vcpus.containsKey(key)) {
      throw wrong("more than " + MOST_VCPUS + " vCPUs; cut the recording");
    }
    return vcpus.computeIfAbsent(key, absent -> new Recording());
  }

  private long number(String[] words, String key, long usual, long least, long most)
      throws UsageException {
    for (String word : words) {
      if (word.startsWith(key + "=")) {
        return nanos(key, word.substring(key.length() + 1), least, most);
      }
    }
    return usual;
  }

  private long nanos(String what, String text, long least, long most) throws UsageException {
    try {
      long number = Long.parseLong(text);
      if (number >= least && number <= most) {
        return number;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw wrong("%s is %s; write a whole number of %d to %d".formatted(what, text, least, most));
  }

  private UsageException wrong(String problem) {
    return new UsageException("%s, line %d: %s".formatted(file, line, problem));
  }

  private RecordedTrace trace() throws UsageException {
    Map<Long, List<Recording>> byDomain = new TreeMap<>();
    vcpus.forEach(
        (key, vcpu) -> byDomain.computeIfAbsent(key >> 32, d -> new ArrayList<>()).add(vcpu));
    if (firstNanos == Long.MAX_VALUE) {
      throw new UsageException(file + ": has no events; give a recording of something");
    }
    List<Domain> domains = new ArrayList<>();
    for (List<Recording> members : byDomain.values()) {
      Recording first = members.getFirst();
      domains.add(
          new Domain(
              first.weight,
              first.cap,
              members.stream().map(vcpu -> vcpu.demand(firstNanos)).toList()));
    }
    return new RecordedTrace(domains);
  }

  /** What has been read of one vCPU. */
  private static final class Recording {
    private int weight = SchedUnit.DEFAULT_WEIGHT;
    private int cap = SchedUnit.NO_CAP;

    private long lastNanos;
    private long runSinceNanos = -1;
    private boolean awake;
    private boolean ever;
    private long firstWakeNanos;

    /** CPU time since the last wake-up or yield. */
    private long workNanos;

    private long sleptAtNanos;

    private int pieces;
    private long[] works = new long[8];
    private byte[] then = new byte[8];
    private long[] sleeps = new long[8];
    private long[] wakes = new long[8];

    void wake(long at) {
      if (awake) {
        return; // it was woken while it was awake: nothing for a scheduler
      }
      awake = true;
      if (!ever) {
        ever = true;
        firstWakeNanos = at;
      } else if (pieces > 0) {
        sleeps[pieces - 1] = at - sleptAtNanos;
        wakes[pieces - 1] = at;
      }
    }

    void run(long at) {
      wake(at); // if the recording began while it waited
      runSinceNanos = at;
    }

    void off(long at, long ran) {
      workNanos += ran;
      runSinceNanos = -1;
    }

    void pieceEnds(byte what, long at) {
      if (!awake) {
        return; // before anything that was recorded
      }
      if (pieces == works.length) {
        works = Arrays.copyOf(works, 2 * pieces);
        then = Arrays.copyOf(then, 2 * pieces);
        sleeps = Arrays.copyOf(sleeps, 2 * pieces);
        wakes = Arrays.copyOf(wakes, 2 * pieces);
      }
      works[pieces] = Math.max(1, workNanos);
      then[pieces++] = what;
      workNanos = 0;
      if (what == RecordedTrace.SLEEPS) {
        awake = false;
        sleptAtNanos = at;
      }
    }

    /** All of it; what the recording cuts off ends there. */
    Demand demand(long beginNanos) {
      if (awake) {
        if (runSinceNanos >= 0) {
          off(lastNanos, lastNanos - runSinceNanos);
        }
        pieceEnds(RecordedTrace.ENDS, lastNanos);
      } else if (pieces > 0) {
        then[pieces - 1] = RecordedTrace.ENDS;
      }
      long[] wakesFromBegin = Arrays.copyOf(wakes, pieces);
      for (int i = 0; i < pieces; i++) {
        wakesFromBegin[i] -= beginNanos;
      }
      return new Demand(
          firstWakeNanos - beginNanos,
          Arrays.copyOf(works, pieces),
          Arrays.copyOf(then, pieces),
          Arrays.copyOf(sleeps, pieces),
          wakesFromBegin);
    }
  }
}

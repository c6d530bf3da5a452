package dev.domus.toolstack.trace;

import dev.domus.kernel.trace.TraceRecord;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a trace says of each vCPU, pCPU, hypercall and event channel. One pass in the order of time.
 *
 * <p>A vCPU <em>waits</em> from the moment it becomes runnable (woken, or told of to the scheduler
 * after a pause) until it next runs: its wake-up latency. What it waits between two slices without
 * having slept is not in that.
 */
public final class TraceSummary {
  /** A vCPU. Times are in nanoseconds; the time it ran is CPU time that it was charged. */
  public static final class VcpuLine {
    private final int vcpu;
    private long ranNanos;
    private long runs;
    private long wakes;
    private long migrations;
    private long hypercalls;
    private long faults;
    private final Distribution latency = new Distribution();
    private long readySince = -1;

    private VcpuLine(int vcpu) {
      this.vcpu = vcpu;
    }

    /** Which, as {@link TraceRecord#vcpuKey}. */
    public int vcpu() {
      return vcpu;
    }

    /** CPU time that it was charged. */
    public long ranNanos() {
      return ranNanos;
    }

    /** How often it was put on a pCPU. */
    public long runs() {
      return runs;
    }

    /** How often it was woken. */
    public long wakes() {
      return wakes;
    }

    /** How often it ran on another pCPU than before. */
    public long migrations() {
      return migrations;
    }

    /** Hypercalls that returned. */
    public long hypercalls() {
      return hypercalls;
    }

    /** Exceptions. */
    public long faults() {
      return faults;
    }

    /** From runnable to running. */
    public Distribution latency() {
      return latency;
    }
  }

  /** A pCPU. */
  public static final class PcpuLine {
    private final int pcpu;
    private long busyNanos;
    private long switches;
    private long idlePicks;
    private final Distribution decisions = new Distribution();
    private long busySince = -1;

    private PcpuLine(int pcpu) {
      this.pcpu = pcpu;
    }

    /** Its number. */
    public int pcpu() {
      return pcpu;
    }

    /** Wall time in which a vCPU was on it. */
    public long busyNanos() {
      return busyNanos;
    }

    /** How often a vCPU was put on it. */
    public long switches() {
      return switches;
    }

    /** How often there was nothing to run. */
    public long idlePicks() {
      return idlePicks;
    }

    /** How long the scheduler took to decide. */
    public Distribution decisions() {
      return decisions;
    }
  }

  /** A hypercall with its command. */
  public static final class CallLine {
    private final String name;
    private long errors;
    private final Distribution took = new Distribution();

    private CallLine(String name) {
      this.name = name;
    }

    /** Its name, with its command. */
    public String name() {
      return name;
    }

    /** How many were answered with an error number. */
    public long errors() {
      return errors;
    }

    /** How long they took. */
    public Distribution took() {
      return took;
    }
  }

  /** A vCPU, or −1 for the machine's own threads, that sent events to a domain. */
  public record Talk(int from, int toDomain) {}

  private final TraceLog log;
  private final Map<Integer, VcpuLine> vcpus = new TreeMap<>(Integer::compareUnsigned);
  private final Map<Integer, PcpuLine> pcpus = new TreeMap<>();
  private final Map<Long, CallLine> calls = new HashMap<>();
  private final Map<Talk, long[]> talks = new HashMap<>();
  private long grants;

  private TraceSummary(TraceLog log) {
    this.log = log;
    for (int i = 0; i < log.size(); i++) {
      take(i);
    }
    long end = log.durationNanos();
    pcpus.values().stream()
        .filter(line -> line.busySince >= 0)
        .forEach(line -> line.busyNanos += end - line.busySince);
  }

  /** Reads a trace through. */
  public static TraceSummary of(TraceLog log) {
    return new TraceSummary(log);
  }

  private void take(int i) {
    switch (log.kind(i)) {
      case WAKE -> {
        vcpu(i).wakes++;
        ready(i);
      }
      case ENQUEUE -> ready(i);
      case PICK -> {
        PcpuLine line = pcpu(i);
        line.decisions.add(log.b(i));
        if (log.domid(i) == TraceRecord.IDLE) {
          line.idlePicks++;
        }
      }
      case SWITCH_IN -> {
        PcpuLine cpu = pcpu(i);
        cpu.switches++;
        cpu.busySince = log.time(i);
        VcpuLine line = vcpu(i);
        line.runs++;
        if (line.readySince >= 0) {
          line.latency.add(log.time(i) - line.readySince);
          line.readySince = -1;
        }
      }
      case SWITCH_OUT -> {
        vcpu(i).ranNanos += log.a(i);
        if (log.pcpu(i) != TraceRecord.NO_PCPU) { // else the watchdog's
          PcpuLine cpu = pcpu(i);
          cpu.busyNanos += cpu.busySince < 0 ? 0 : log.time(i) - cpu.busySince;
          cpu.busySince = -1;
        }
      }
      case BLOCK -> vcpu(i).readySince = -1;
      case MIGRATE -> vcpu(i).migrations++;
      case HYPERCALL -> {
        vcpu(i).hypercalls++;
        int number = TraceRecord.high(log.a(i));
        CallLine line =
            calls.computeIfAbsent(
                TraceRecord.pair(number, log.detail(i)),
                key -> new CallLine(log.hypercallLabel(number, log.detail(i))));
        line.took.add(TraceRecord.low(log.a(i)));
        line.errors += log.b(i) < 0 && log.b(i) > -4096 ? 1 : 0;
      }
      case EVENT ->
          talks.computeIfAbsent(new Talk((int) log.b(i), log.domid(i)), key -> new long[1])[0]++;
      case GRANT -> grants++;
      case FAULT -> vcpu(i).faults++;
      case SWAP, SCHED_FAULT -> {} // listed one by one
    }
  }

  private void ready(int i) {
    VcpuLine line = vcpu(i);
    if (line.readySince < 0) {
      line.readySince = log.time(i);
    }
  }

  private VcpuLine vcpu(int i) {
    return vcpus.computeIfAbsent(log.vcpu(i), VcpuLine::new);
  }

  private PcpuLine pcpu(int i) {
    return pcpus.computeIfAbsent(log.pcpu(i), PcpuLine::new);
  }

  /** The vCPUs, by domain and number. */
  public List<VcpuLine> vcpus() {
    return List.copyOf(vcpus.values());
  }

  /** The pCPUs, by number. */
  public List<PcpuLine> pcpus() {
    return List.copyOf(pcpus.values());
  }

  /** The hypercalls, those that took most time altogether first. */
  public List<CallLine> calls() {
    List<CallLine> lines = new ArrayList<>(calls.values());
    lines.sort(Comparator.comparingLong((CallLine line) -> line.took.sum()).reversed());
    return lines;
  }

  /** Who sent events to whom and how many, the most first. */
  public List<Map.Entry<Talk, Long>> talks() {
    return talks.entrySet().stream()
        .map(entry -> Map.entry(entry.getKey(), entry.getValue()[0]))
        .sorted(Map.Entry.<Talk, Long>comparingByValue().reversed())
        .toList();
  }

  /** How many grants were used. */
  public long grants() {
    return grants;
  }
}

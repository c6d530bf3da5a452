package dev.domus.toolstack.trace;

import static dev.domus.toolstack.trace.PerfettoPackets.INSTANT;
import static dev.domus.toolstack.trace.PerfettoPackets.SLICE_BEGIN;
import static dev.domus.toolstack.trace.PerfettoPackets.SLICE_END;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.trace.TraceEvent;
import dev.domus.kernel.trace.TraceRecord;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * A trace as a file for Perfetto's viewer (ui.perfetto.dev, which reads it in the browser and sends
 * it nowhere).
 *
 * <pre>
 *   Physical CPUs
 *     pCPU 0        slices: the vCPU that runs; between them, decisions
 *   Virtual CPUs
 *     d1v0 name     slices: running, runnable, blocked, offline; within running: hypercalls
 *                   instants: faults, grants, events sent, migrations, wake-ups of others
 *   Machine
 *     schedulers    instants: swaps, schedulers put off
 *     threads       instants: events and wake-ups by threads that are no pCPU's
 * </pre>
 *
 * <p>A flow leads from each wake-up to the run that it causes.
 *
 * <p><b>Order.</b> Slices of a track nest by time, and of two packets of one time the first comes
 * first. A hypercall's record bears the time of its end, so beginnings are sorted on their own and
 * merged in: the outer before the inner, and before whatever ends later.
 */
public final class PerfettoExport {
  private static final long PCPUS = 1, VCPUS = 2, MACHINE = 3, SCHEDULERS = 4, THREADS = 5;
  private static final long PCPU_BASE = 1L << 32, VCPU_BASE = 2L << 32;
  private static final String[] RUN_STATES = {"running", "runnable", "blocked", "offline"};
  private static final int RUNNING = 0, RUNNABLE = 1;

  private final TraceLog log;
  private final PerfettoPackets packets;

  /** Where time has come to, by vCPU. */
  private final Map<Integer, Vcpu> vcpus = new HashMap<>();

  /** Which pCPUs have an open slice, and of which vCPU. */
  private final Map<Integer, Integer> running = new HashMap<>();

  private long flows;

  private static final class Vcpu {
    final long track;
    final String label;
    boolean open;
    int state;
    long flow;

    Vcpu(int vcpu, String label) {
      track = VCPU_BASE | vcpu & 0xFFFFFFFFL;
      this.label = label;
    }

    boolean isRunning() {
      return open && state == RUNNING;
    }
  }

  private PerfettoExport(TraceLog log, OutputStream out) {
    this.log = log;
    packets = new PerfettoPackets(out);
  }

  /** Writes a trace. */
  public static void write(TraceLog log, OutputStream out) throws IOException {
    new PerfettoExport(log, out).write();
  }

  private void write() throws IOException {
    packets.begin(log.wallMillis());
    tracks();
    Integer[] begins = begins();
    int next = 0;
    for (int i = 0; i < log.size(); i++) {
      long now = log.time(i);
      while (next < begins.length && beginsBefore(begins[next], i, now)) {
        beginSlice(begins[next++]);
      }
      record(i);
    }
    long end = log.durationNanos();
    for (int pcpu : running.keySet()) {
      packets.event(end, SLICE_END, PCPU_BASE | pcpu, "", "").end();
    }
    for (Vcpu vcpu : vcpus.values()) {
      close(vcpu, end);
    }
  }

  private void tracks() throws IOException {
    TreeSet<Integer> pcpus = new TreeSet<>();
    TreeSet<Integer> known = new TreeSet<>(Integer::compareUnsigned);
    for (int i = 0; i < log.size(); i++) {
      if (log.pcpu(i) != TraceRecord.NO_PCPU) {
        pcpus.add(log.pcpu(i));
      }
      if (log.domid(i) != TraceRecord.IDLE && log.kind(i) != TraceEvent.EVENT) {
        known.add(log.vcpu(i));
      }
    }
    packets.track(PCPUS, 0, "Physical CPUs");
    for (int pcpu : pcpus) {
      packets.track(PCPU_BASE | pcpu, PCPUS, "pCPU " + pcpu);
    }
    packets.track(VCPUS, 0, "Virtual CPUs");
    for (int key : known) {
      int domid = key >>> 16;
      String label =
          TraceLog.vcpuLabel(key) + log.label("domain/" + domid).map(name -> " " + name).orElse("");
      Vcpu vcpu = new Vcpu(key, label);
      vcpus.put(key, vcpu);
      packets.track(vcpu.track, VCPUS, label);
    }
    packets.track(MACHINE, 0, "Machine");
    packets.track(SCHEDULERS, MACHINE, "schedulers");
    packets.track(THREADS, MACHINE, "threads");
  }

  // ---- slices whose records are their ends

  private static boolean isSlice(TraceEvent kind) {
    return kind == TraceEvent.HYPERCALL || kind == TraceEvent.PICK;
  }

  private long beginOf(int i) {
    long took = log.kind(i) == TraceEvent.PICK ? log.b(i) : TraceRecord.low(log.a(i));
    return log.time(i) - took;
  }

  /** The records of slices in the order in which the slices begin; of two, the longer first. */
  private Integer[] begins() {
    Integer[] slices = new Integer[log.size()];
    int count = 0;
    for (int i = 0; i < log.size(); i++) {
      if (isSlice(log.kind(i))) {
        slices[count++] = i;
      }
    }
    Integer[] sorted = Arrays.copyOf(slices, count);
    Arrays.sort(
        sorted,
        Comparator.<Integer>comparingLong(this::beginOf)
            .thenComparing(Comparator.<Integer>naturalOrder().reversed()));
    return sorted;
  }

  private boolean beginsBefore(int slice, int record, long now) {
    long begin = beginOf(slice);
    return begin < now || begin == now && isSlice(log.kind(record)) && beginOf(record) == now;
  }

  private void beginSlice(int i) throws IOException {
    if (log.kind(i) == TraceEvent.PICK) {
      packets.event(beginOf(i), SLICE_BEGIN, PCPU_BASE | log.pcpu(i), "sched", "decision").end();
      return;
    }
    String name = log.hypercallLabel(TraceRecord.high(log.a(i)), log.detail(i));
    packets
        .event(beginOf(i), SLICE_BEGIN, vcpu(i).track, "hypercall", name)
        .argument("result", log.b(i))
        .end();
  }

  // ---- record by record

  private Vcpu vcpu(int i) {
    return vcpus.computeIfAbsent(log.vcpu(i), key -> new Vcpu(key, TraceLog.vcpuLabel(key)));
  }

  private void record(int i) throws IOException {
    long now = log.time(i);
    switch (log.kind(i)) {
      case WAKE -> wake(i, now);
      case ENQUEUE -> {
        if (!vcpu(i).isRunning()) {
          enter(vcpu(i), RUNNABLE, now);
        }
      }
      case PICK -> packets.event(now, SLICE_END, PCPU_BASE | log.pcpu(i), "", "").end();
      case SWITCH_IN -> switchIn(i, now);
      case SWITCH_OUT -> switchOut(i, now);
      case BLOCK -> enter(vcpu(i), log.detail(i), now);
      case MIGRATE ->
          instant(i, vcpu(i).track, "migrate")
              .argument("from", log.a(i))
              .argument("to", log.pcpu(i))
              .end();
      case HYPERCALL -> packets.event(now, SLICE_END, vcpu(i).track, "", "").end();
      case EVENT ->
          instant(i, trackOf((int) log.b(i)), "event to " + TraceLog.vcpuLabel(log.vcpu(i)))
              .argument("port", log.a(i))
              .end();
      case GRANT ->
          instant(
                  i,
                  vcpu(i).track,
                  log.hypercallLabel(HypercallNumber.GRANT_TABLE_OP, log.detail(i)))
              .argument("domain", TraceRecord.high(log.a(i)))
              .argument("reference or handle", TraceRecord.low(log.a(i)))
              .argument("status", log.b(i))
              .end();
      case FAULT ->
          instant(i, vcpu(i).track, "exception " + log.detail(i))
              .address("address", log.a(i))
              .argument("error code", log.b(i))
              .end();
      case SWAP -> {
        String from = log.name(TraceRecord.high(log.a(i)));
        String to = log.name((int) TraceRecord.low(log.a(i)));
        instant(i, SCHEDULERS, (log.detail(i) == 1 ? "swap " : "refused: ") + from + " to " + to)
            .argument("held ns", log.b(i))
            .end();
      }
      case SCHED_FAULT ->
          instant(i, SCHEDULERS, log.name((int) TraceRecord.low(log.a(i))) + " was put off")
              .argument("pool", log.name(TraceRecord.high(log.a(i))))
              .end();
    }
  }

  private PerfettoPackets instant(int i, long track, String name) {
    return packets.event(log.time(i), INSTANT, track, log.kind(i).group().label(), name);
  }

  /** The track of a vCPU that did something; that of other threads for −1. */
  private long trackOf(int vcpu) {
    Vcpu known = vcpus.get(vcpu);
    return vcpu == -1 || known == null ? THREADS : known.track;
  }

  private void wake(int i, long now) throws IOException {
    Vcpu woken = vcpu(i);
    woken.flow = ++flows;
    instant(i, trackOf((int) log.a(i)), "wake " + woken.label).flow(woken.flow).end();
    if (!woken.isRunning()) {
      enter(woken, RUNNABLE, now);
    }
  }

  private void switchIn(int i, long now) throws IOException {
    Vcpu vcpu = vcpu(i);
    packets.event(now, SLICE_BEGIN, PCPU_BASE | log.pcpu(i), "sched", vcpu.label).end();
    running.put(log.pcpu(i), log.vcpu(i));
    close(vcpu, now);
    packets
        .event(now, SLICE_BEGIN, vcpu.track, "sched", "running")
        .argument("pCPU", log.pcpu(i))
        .argument("slice ns", log.a(i));
    if (vcpu.flow != 0) {
      packets.flowEnds(vcpu.flow);
      vcpu.flow = 0;
    }
    packets.end();
    vcpu.open = true;
    vcpu.state = RUNNING;
  }

  private void switchOut(int i, long now) throws IOException {
    Integer pcpu = pcpuOf(i);
    if (pcpu != null) {
      packets.event(now, SLICE_END, PCPU_BASE | pcpu, "", "").end();
      running.remove(pcpu);
    }
    enter(vcpu(i), (int) log.b(i), now);
  }

  /** The pCPU that ran a vCPU which has come off: not the writer's, if that was the watchdog. */
  private Integer pcpuOf(int i) {
    int vcpu = log.vcpu(i);
    if (running.getOrDefault(log.pcpu(i), -1) == vcpu) {
      return log.pcpu(i);
    }
    return running.entrySet().stream()
        .filter(entry -> entry.getValue() == vcpu)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElse(null);
  }

  private void enter(Vcpu vcpu, int state, long now) throws IOException {
    if (vcpu.open && vcpu.state == state) {
      return;
    }
    close(vcpu, now);
    packets.event(now, SLICE_BEGIN, vcpu.track, "sched", RUN_STATES[state & 3]).end();
    vcpu.open = true;
    vcpu.state = state;
  }

  private void close(Vcpu vcpu, long now) throws IOException {
    if (vcpu.open) {
      packets.event(now, SLICE_END, vcpu.track, "", "").end();
      vcpu.open = false;
    }
  }
}

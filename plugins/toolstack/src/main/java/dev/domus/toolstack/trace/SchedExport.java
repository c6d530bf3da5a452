package dev.domus.toolstack.trace;

import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.trace.TraceEvent;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/**
 * What schedulers heard of, as text that simulators replay and scripts read (docs/tracing.md):
 *
 * <pre>
 *   domus-sched-trace 1
 *   vcpu d1v0 weight=256 cap=0
 *   TIME d1v0 wake
 *   TIME d1v0 run pcpu=0
 *   TIME d1v0 expired|preempted|yielded|slept ran=NANOSECONDS
 * </pre>
 *
 * <p>Times are in nanoseconds since recording began. A vCPU that slept without a run before it was
 * put to sleep while it waited.
 */
public final class SchedExport {
  private static final PutReason[] REASONS = PutReason.values();

  private SchedExport() {}

  /** What has to be recorded for it. */
  public static final Set<TraceEvent> NEEDED =
      Set.of(
          TraceEvent.WAKE,
          TraceEvent.ENQUEUE,
          TraceEvent.SWITCH_IN,
          TraceEvent.SWITCH_OUT,
          TraceEvent.BLOCK);

  /** Writes a trace. */
  public static void write(TraceLog log, PrintWriter out) {
    out.print("domus-sched-trace 1\n");
    Set<Integer> vcpus = new TreeSet<>(Integer::compareUnsigned);
    for (int i = 0; i < log.size(); i++) {
      if (NEEDED.contains(log.kind(i))) {
        vcpus.add(log.vcpu(i));
      }
    }
    for (int vcpu : vcpus) {
      int domid = vcpu >>> 16;
      out.printf(
          Locale.ROOT,
          "vcpu %s weight=%s cap=%s\n",
          TraceLog.vcpuLabel(vcpu),
          log.label("weight/" + domid).orElse("256"),
          log.label("cap/" + domid).orElse("0"));
    }
    Set<Integer> awake = new TreeSet<>();
    Set<Integer> running = new TreeSet<>();
    for (int i = 0; i < log.size(); i++) {
      int vcpu = log.vcpu(i);
      switch (log.kind(i)) {
        case WAKE, ENQUEUE -> {
          if (awake.add(vcpu)) {
            line(log, i, "wake", out);
          }
        }
        case SWITCH_IN -> {
          awake.add(vcpu);
          running.add(vcpu);
          line(log, i, "run pcpu=" + log.pcpu(i), out);
        }
        case SWITCH_OUT -> {
          running.remove(vcpu);
          PutReason reason = REASONS[Math.min(log.detail(i), REASONS.length - 1)];
          line(log, i, reason.name().toLowerCase(Locale.ROOT) + " ran=" + log.a(i), out);
          if (reason == PutReason.SLEPT) {
            awake.remove(vcpu);
          }
        }
        case BLOCK -> {
          if (awake.remove(vcpu) && !running.contains(vcpu)) {
            line(log, i, "slept ran=0", out);
          }
        }
        default -> {}
      }
    }
    out.flush();
  }

  private static void line(TraceLog log, int i, String what, PrintWriter out) {
    out.print(Math.max(0, log.time(i)) + " " + TraceLog.vcpuLabel(log.vcpu(i)) + " " + what + "\n");
  }
}

package dev.domus.sched.simulator.engine;

import java.util.ArrayList;
import java.util.List;

/** The last decisions of a pool, for a fault's report. Allocates only when it is read. */
final class DecisionLog {
  private static final int KEPT = 8;

  private final long[] atNanos = new long[KEPT];
  private final long[] slices = new long[KEPT];
  private final int[] pcpus = new int[KEPT];
  private final Vcpu[] chosen = new Vcpu[KEPT];
  private long count;

  void idle(long now, int pcpu) {
    run(now, pcpu, null, 0);
  }

  void run(long now, int pcpu, Vcpu vcpu, long slice) {
    int slot = (int) (count++ % KEPT);
    atNanos[slot] = now;
    pcpus[slot] = pcpu;
    chosen[slot] = vcpu;
    slices[slot] = slice;
  }

  List<String> lines() {
    List<String> lines = new ArrayList<>();
    for (long i = Math.max(0, count - KEPT); i < count; i++) {
      int slot = (int) (i % KEPT);
      String what = chosen[slot] == null ? "idle" : chosen[slot] + " for " + slices[slot] + " ns";
      lines.add("%d ns: pcpu %d: %s".formatted(atNanos[slot], pcpus[slot], what));
    }
    return lines;
  }
}

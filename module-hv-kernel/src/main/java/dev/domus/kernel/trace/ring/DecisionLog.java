package dev.domus.kernel.trace.ring;

import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.trace.TraceRecord;
import java.util.ArrayList;
import java.util.List;

/**
 * What a pCPU did last: the decisions of its scheduler, and what became of them. Kept always,
 * whether anything is traced or not, so that a scheduler that is put off its pool can be told with
 * what it did before.
 *
 * <p>Three stores a decision into two small arrays, no clock, no allocation. Written by the pCPU's
 * thread with its run queue's lock; read by who finds the fault, with the same lock. A thread that
 * the watchdog has given up may spoil an entry of its successor's, which is text for people and no
 * more.
 */
final class DecisionLog {
  /** How many entries are kept: half a dozen turns. */
  static final int ENTRIES = 16;

  private static final int PICK = 1, PUT = 2, WAKE = 3;
  private static final PutReason[] REASONS = PutReason.values();

  private final long[] whats = new long[ENTRIES];
  private final long[] nanos = new long[ENTRIES];
  private int next;

  /** It was given a vCPU, or {@link TraceRecord#IDLE}. */
  void pick(int domid, int vcpu, long sliceNanos) {
    note(PICK, 0, domid, vcpu, sliceNanos);
  }

  /** A vCPU came off it. */
  void put(int reason, int domid, int vcpu, long ranNanos) {
    note(PUT, reason, domid, vcpu, ranNanos);
  }

  /** On its thread the scheduler was told that a vCPU is runnable. */
  void wake(int domid, int vcpu) {
    note(WAKE, 0, domid, vcpu, 0);
  }

  private void note(int what, int detail, int domid, int vcpu, long value) {
    int at = next;
    whats[at & ENTRIES - 1] = TraceRecord.head(what, detail, domid, vcpu, 0);
    nanos[at & ENTRIES - 1] = value;
    next = at + 1;
  }

  /** All that is known, a line each, the latest last. */
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    int end = next;
    for (int i = end - ENTRIES; i != end; i++) {
      long what = whats[i & ENTRIES - 1];
      if (what != 0) {
        lines.add(line(what, nanos[i & ENTRIES - 1]));
      }
    }
    return lines;
  }

  private static String line(long what, long value) {
    int domid = TraceRecord.domid(what);
    String who = "d" + domid + "v" + TraceRecord.vcpu(what);
    return switch (TraceRecord.code(what)) {
      case PICK ->
          domid == TraceRecord.IDLE
              ? "picked nobody"
              : "picked %s for %d us".formatted(who, value / 1_000);
      case PUT ->
          "%s came off after %d us: %s"
              .formatted(who, value / 1_000, REASONS[TraceRecord.detail(what)]);
      default -> who + " was woken";
    };
  }
}

package dev.domus.kernel.dispatch;

import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The vCPUs of a {@link CoreUnit}, and what the dispatcher runs for it: a slice of a gang is a turn
 * of a {@link Core}.
 *
 * <p>Each has its place, by its number in the domain; a domain may have fewer. Places are filled
 * and emptied by {@link Gangs}, and read by whoever likes.
 */
final class Gang implements Runner {
  private final String label;
  private final AtomicReferenceArray<DispatchUnit> members;

  /** The core whose turn is this gang's, or null. */
  private volatile Core core;

  private volatile boolean preempted;

  Gang(int domid, int firstVcpu, int size) {
    this.label = "d%dv%d-%d".formatted(domid, firstVcpu, firstVcpu + size - 1);
    this.members = new AtomicReferenceArray<>(size);
  }

  int size() {
    return members.length();
  }

  /** The vCPU of a place, or null. */
  DispatchUnit member(int place) {
    return members.get(place);
  }

  /** Fills a place, or empties it with null. */
  void member(int place, DispatchUnit memberOrNull) {
    members.set(place, memberOrNull);
  }

  boolean has(DispatchUnit unit) {
    return members.get(placeOf(unit)) == unit;
  }

  int placeOf(DispatchUnit unit) {
    return unit.vcpu() % size();
  }

  boolean isEmpty() {
    for (int i = 0; i < size(); i++) {
      if (members.get(i) != null) {
        return false;
      }
    }
    return true;
  }

  boolean anyMayRun() {
    return anyMayRunBut(null);
  }

  boolean anyMayRunBut(DispatchUnit one) {
    for (int i = 0; i < size(); i++) {
      DispatchUnit unit = members.get(i);
      if (unit != null && unit != one && unit.mayRun()) {
        return true;
      }
    }
    return false;
  }

  // ------------------------------------------------------------------ the turn

  void enter(Core newCore) {
    core = newCore;
  }

  boolean isPreempted() {
    return preempted;
  }

  void leave() {
    core = null;
    preempted = false; // whoever said so meanwhile sees runSlice return
  }

  @Override
  public SliceEnd runSlice(long deadlineNanos) {
    return ((PcpuThread) Thread.currentThread()).cpu.core.turn(this, deadlineNanos);
  }

  @Override
  public void preempt() {
    preempted = true;
    Core c = core;
    if (c != null) {
      c.end(SliceEnd.PREEMPTED, null); // if the core has gone on to another, that comes back, too
    }
  }

  @Override
  public String label() {
    return label;
  }
}

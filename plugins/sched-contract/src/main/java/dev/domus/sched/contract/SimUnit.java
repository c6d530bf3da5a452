package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/** A simulated unit: the generic record, its workload, and what happened to it. */
public final class SimUnit implements SchedUnit {
  private final int domid;
  private final int vcpu;
  final Workload workload;

  int weight;
  int cap;
  CpuMask affinity;
  CpuMask softAffinity = CpuMask.ALL;
  final Map<String, SchedParameters> given = new HashMap<>();
  private final LongSupplier clock;

  boolean inserted;
  boolean removed;
  boolean paused;
  boolean asleep = true;
  boolean runnable;
  int runningOn = -1;
  int lastPcpu = -1;
  long runNanos;
  long standingNanos;
  Object data;

  /** What is left of the burst. */
  long burstLeftNanos;

  /** When it began to wait or to sleep. */
  long sinceNanos;

  /** The longest it ever waited for a pCPU. */
  long longestWaitNanos;

  /** How long it may wait by its operator's wish, and since when that counts. */
  private long mayWaitNanos;

  long neglectedSinceNanos;

  /** The longest it ever waited beyond that. */
  long longestNeglectNanos;

  long picks;

  SimUnit(
      LongSupplier clock,
      int domid,
      int vcpu,
      int weight,
      int cap,
      CpuMask affinity,
      Workload workload) {
    this.clock = clock;
    this.domid = domid;
    this.vcpu = vcpu;
    this.weight = weight;
    this.cap = cap;
    this.affinity = affinity;
    this.workload = workload;
  }

  /** It begins to wait, to sleep or to run. */
  void since(long nowNanos) {
    sinceNanos = nowNanos;
    neglectedSinceNanos = nowNanos;
  }

  /** For how long it has been neglected now, if it waits. */
  long neglectNanos(long nowNanos) {
    return Math.max(0, nowNanos - neglectedSinceNanos - mayWaitNanos);
  }

  /** A swap clears what the scheduler kept. */
  void clearSlots() {
    data = null;
    mayWaitNanos = 0;
    neglectedSinceNanos = clock.getAsLong();
  }

  boolean wantsCpu() {
    return !asleep && !paused && !removed;
  }

  /** How often it was picked. */
  public long picks() {
    return picks;
  }

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public int vcpu() {
    return vcpu;
  }

  @Override
  public String label() {
    return "d" + domid + "v" + vcpu;
  }

  @Override
  public int weight() {
    return weight;
  }

  @Override
  public int cap() {
    return cap;
  }

  @Override
  public CpuMask affinity() {
    return affinity;
  }

  @Override
  public CpuMask softAffinity() {
    return softAffinity;
  }

  @Override
  public SchedParameters parameters(SchedulerFactory scheduler) {
    return SchedParameters.ofUnit(
        scheduler, given.getOrDefault(scheduler.name(), SchedParameters.none()));
  }

  @Override
  public long runNanos() {
    return runNanos;
  }

  @Override
  public boolean runnable() {
    return runnable;
  }

  @Override
  public int runningOn() {
    return runningOn;
  }

  @Override
  public int lastPcpu() {
    return lastPcpu;
  }

  @Override
  public long standingNanos() {
    return standingNanos;
  }

  @Override
  public void standingNanos(long nanos) {
    standingNanos = nanos;
  }

  @Override
  public void mayWaitNanos(long nanos) {
    if (nanos < mayWaitNanos) {
      neglectedSinceNanos = clock.getAsLong();
    }
    mayWaitNanos = nanos;
  }

  @Override
  public Object data() {
    return data;
  }

  @Override
  public void data(Object newData) {
    data = newData;
  }

  @Override
  public String toString() {
    return label();
  }
}

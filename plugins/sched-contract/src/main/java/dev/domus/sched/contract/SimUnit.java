package dev.domus.sched.contract;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;

/** A simulated unit: the generic record, its workload, and what happened to it. */
public final class SimUnit implements SchedUnit {
  private final int domid;
  private final int vcpu;
  final Workload workload;

  int weight;
  int cap;
  CpuMask affinity;
  CpuMask softAffinity = CpuMask.ALL;
  SchedParameters given = SchedParameters.none();

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

  long picks;

  SimUnit(int domid, int vcpu, int weight, int cap, CpuMask affinity, Workload workload) {
    this.domid = domid;
    this.vcpu = vcpu;
    this.weight = weight;
    this.cap = cap;
    this.affinity = affinity;
    this.workload = workload;
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
    return SchedParameters.ofUnit(scheduler, given);
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

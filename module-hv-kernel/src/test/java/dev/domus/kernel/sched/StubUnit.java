package dev.domus.kernel.sched;

/** A unit of which only name and places matter. */
final class StubUnit implements SchedUnit {
  private final int domid;
  private final CpuMask hard;
  CpuMask soft = CpuMask.ALL;
  int last = -1;

  StubUnit(int domid, CpuMask hard) {
    this.domid = domid;
    this.hard = hard;
  }

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public int vcpu() {
    return 0;
  }

  @Override
  public String label() {
    return "d" + domid + "v0";
  }

  @Override
  public int weight() {
    return DEFAULT_WEIGHT;
  }

  @Override
  public int cap() {
    return NO_CAP;
  }

  @Override
  public CpuMask affinity() {
    return hard;
  }

  @Override
  public CpuMask softAffinity() {
    return soft;
  }

  @Override
  public SchedParameters parameters(SchedulerFactory scheduler) {
    return SchedParameters.none();
  }

  @Override
  public long runNanos() {
    return 0;
  }

  @Override
  public boolean runnable() {
    return true;
  }

  @Override
  public int runningOn() {
    return -1;
  }

  @Override
  public int lastPcpu() {
    return last;
  }

  @Override
  public long standingNanos() {
    return 0;
  }

  @Override
  public void standingNanos(long nanos) {}

  @Override
  public void mayWaitNanos(long nanos) {}

  @Override
  public Object data() {
    return this;
  }

  @Override
  public void data(Object newData) {}
}

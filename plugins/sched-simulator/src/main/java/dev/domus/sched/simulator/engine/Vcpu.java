package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.SchedulerFactory;

/**
 * A simulated vCPU: the generic record that a scheduler sees, what its {@link Program} wants, and
 * where it is. In the simulation's thread only.
 */
public final class Vcpu implements SchedUnit {
  /** What a program said last. */
  enum Wish {
    COMPUTE,
    YIELD,
    BLOCK
  }

  private final Simulation simulation;
  private final int domid;
  private final int number;
  private final VcpuSettings settings;

  /** The source of its timer in the event queue. */
  final int timerSource;

  final Measures measures;

  Program program;
  Wish wish = Wish.BLOCK;

  /** CPU time that is left of what the program asked for. */
  long workNanos;

  // --- What the scheduler sees.

  /** The run queue it is in, and whether the scheduler there knows it. */
  Seat seat;

  boolean inserted;
  boolean runnable;
  Pcpu on;

  /** In the numbers of the run queue; -1 if it has not run there yet. */
  private int lastIndex = -1;

  private CpuMask affinityHere;
  private CpuMask softAffinityHere;
  private long runNanos;
  private long standingNanos;
  private Object data;

  // --- The dispatcher's.

  /** The pCPU that ran it last, by its number in the pool; -1 if none has. */
  int lastNumber = -1;

  /** The link of the mailbox. */
  Vcpu nextMail;

  boolean inMail;

  /** When it was woken, if it has not run since; else -1. */
  long wokenNanos = -1;

  /** When it began to wait for a pCPU, as the time and as CPU time given to all. */
  long waitingSinceNanos;

  long waitingSinceDelivered;
  int idleTicks;

  /** How long it may wait on top of what is fair, by the word of its scheduler. */
  long mayWaitNanos;

  /** What it had run when measuring began. */
  private long runNanosBefore;

  Vcpu(
      Simulation simulation,
      int domid,
      int number,
      VcpuSettings settings,
      Measures measures,
      int timerSource) {
    this.simulation = simulation;
    this.domid = domid;
    this.number = number;
    this.settings = settings;
    this.measures = measures;
    this.timerSource = timerSource;
  }

  // ------------------------------------------------------------------ for its program

  /** It wants CPU time, at least 1 ns; instead of what it wanted before, if it is blocked. */
  public void compute(long nanos) {
    wish = Wish.COMPUTE;
    workNanos = Math.max(1, nanos);
  }

  /** It gives its pCPU up without blocking, and wants CPU time when it is next chosen. */
  public void yieldThenCompute(long nanos) {
    compute(nanos);
    wish = Wish.YIELD;
  }

  /** It wants no CPU time until {@link #wake}. */
  public void block() {
    wish = Wish.BLOCK;
    workNanos = 0;
  }

  /** Ends being blocked; {@link #compute} has said what it does then. */
  public void wake() {
    simulation.wake(this);
  }

  /**
   * What it computes is of no use any more: it wants other CPU time instead, at once. (It spun for
   * a lock, and has got it.) Whether it runs or waits, it stays there.
   */
  public void computeInstead(long nanos) {
    simulation.computeInstead(this, Math.max(1, nanos));
  }

  /** {@link Program#timer} is called at a time that is not past, and not at the one set before. */
  public void setTimer(long atNanos) {
    simulation.setTimer(this, atNanos);
  }

  /** CPU time it has had up to now. */
  public long runNanosNow() {
    return runNanos + (on == null ? 0 : on.ranNanos(simulation.nowNanos()));
  }

  /** Where what it does is counted. */
  public Measures measures() {
    return measures;
  }

  // ------------------------------------------------------------------ for the dispatcher

  /** Whether it should be on a pCPU or wait for one. */
  boolean wantsCpu() {
    return wish != Wish.BLOCK;
  }

  VcpuSettings settings() {
    return settings;
  }

  /** It is in a run queue from now on, and sees affinities in its numbers. */
  void settle(Seat newSeat) {
    seat = newSeat;
    lastIndex = -1;
    affinityHere = settings.affinity().renumbered(newSeat.numbers());
    softAffinityHere = settings.softAffinity().renumbered(newSeat.numbers());
  }

  void cameOff(long ranNanos) {
    on = null;
    runNanos += ranNanos;
  }

  /** The time that it has waited counts from now. */
  void forgiveWait() {
    waitingSinceDelivered = seat.deliveredNanos;
    idleTicks = 0;
  }

  void startedOn(Pcpu cpu) {
    on = cpu;
    lastIndex = cpu.index;
    lastNumber = cpu.number;
  }

  void beginMeasuring() {
    runNanosBefore = runNanosNow();
  }

  /** CPU time it has had since measuring began. */
  public long measuredRunNanos() {
    return runNanosNow() - runNanosBefore;
  }

  // ------------------------------------------------------------------ for the scheduler

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public int vcpu() {
    return number;
  }

  @Override
  public String label() {
    return "d" + domid + "v" + number;
  }

  @Override
  public int weight() {
    return settings.weight();
  }

  @Override
  public int cap() {
    return settings.cap();
  }

  @Override
  public CpuMask affinity() {
    return affinityHere;
  }

  @Override
  public CpuMask softAffinity() {
    return softAffinityHere;
  }

  @Override
  public SchedParameters parameters(SchedulerFactory scheduler) {
    return SchedParameters.ofUnit(
        scheduler, settings.parameters().getOrDefault(scheduler.name(), SchedParameters.none()));
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
    return on == null ? -1 : on.index;
  }

  @Override
  public int lastPcpu() {
    return lastIndex;
  }

  @Override
  public long standingNanos() {
    return standingNanos;
  }

  @Override
  public void standingNanos(long nanos) {
    standingNanos = nanos;
  }

  /** How long it may wait by its operator's wish, as its scheduler says. */
  @Override
  public void mayWaitNanos(long nanos) {
    if (nanos < mayWaitNanos) {
      forgiveWait(); // it did not wait for the scheduler's neglect
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

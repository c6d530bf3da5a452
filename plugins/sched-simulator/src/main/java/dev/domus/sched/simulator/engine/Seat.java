package dev.domus.sched.simulator.engine;

import dev.domus.kernel.sched.Decision;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.sched.RunQueue;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedPool;
import dev.domus.kernel.sched.SchedUnit;
import dev.domus.kernel.sched.Scheduler;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.engine.SchedulerFaultException.Kind;
import java.util.Locale;
import org.HdrHistogram.Histogram;

/**
 * A run queue: some pCPUs of the pool, and the scheduler that sits there. The only place from which
 * plugin code is entered; what it throws comes out as a {@link SchedulerFaultException}.
 *
 * <p>As in the kernel, the scheduler learns of changes when one of its pCPUs looks into the
 * <em>mailbox</em>: at each decision, and when it is kicked.
 */
final class Seat implements SchedPool, RunQueue {
  private final Simulation simulation;
  private final Object shared;
  private final HostClock host;
  private final int[] numbers;
  final Pcpu[] cpus;
  private Scheduler scheduler;

  private Vcpu firstMail;
  private Vcpu lastMail;

  int idleCpus;
  int population;
  int runnableVcpus;
  int runningVcpus;
  long balancedNanos;

  /** CPU time given to vCPUs, slices counted at most in full. */
  long deliveredNanos;

  /** The sum of the weights of those that are runnable, as of the last look for starvation. */
  long runnableWeights;

  private long load;

  /** The pCPU for which the scheduler is asked, or null outside of calls. */
  private Pcpu caller;

  private boolean inCall;

  Seat(Simulation simulation, HostClock host, int[] numbers, Object shared) {
    this.simulation = simulation;
    this.host = host;
    this.numbers = numbers;
    this.shared = shared;
    this.cpus = new Pcpu[numbers.length];
    for (int i = 0; i < numbers.length; i++) {
      cpus[i] = new Pcpu(numbers[i], i, this);
    }
  }

  void create(SchedulerFactory factory, SchedParameters values) {
    host.enter(); // and no call of the kernel: tickling is not allowed yet
    try {
      scheduler = factory.create(this, values);
    } catch (IllegalArgumentException refusal) {
      throw new SchedulerFaultException(Kind.REFUSED, refusal.getMessage(), refusal);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("create()", thrown);
    }
    host.leave(host.rest());
  }

  void close() {
    host.enter();
    try {
      scheduler.close();
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("close()", thrown);
    }
    host.leave(host.rest());
  }

  int[] numbers() {
    return numbers;
  }

  // ------------------------------------------------------------------ the mailbox

  boolean mailEmpty() {
    return firstMail == null;
  }

  /** Puts a vCPU into the mailbox; true if it was empty: then somebody must be made to look. */
  boolean push(Vcpu vcpu) {
    vcpu.inMail = true;
    boolean first = firstMail == null;
    if (first) {
      firstMail = vcpu;
    } else {
      lastMail.nextMail = vcpu;
    }
    lastMail = vcpu;
    return first;
  }

  /** Takes the first out of the mailbox. It is not empty. */
  Vcpu pop() {
    Vcpu vcpu = firstMail;
    firstMail = vcpu.nextMail;
    vcpu.nextMail = null;
    vcpu.inMail = false;
    return vcpu;
  }

  /** Whether somebody waits here whom another run queue might have. */
  boolean hasWaiting() {
    return runnableVcpus > runningVcpus || firstMail != null;
  }

  // ------------------------------------------------------------------ calls into the scheduler

  /** The verbs that concern one vCPU and no pCPU. */
  enum Verb {
    INSERT,
    REMOVE,
    WAKE,
    SLEEP,
    EXPORT
  }

  /**
   * Tells the scheduler of a change.
   *
   * @param by the pCPU that brings the news, or null if it is another run queue's
   */
  void tell(Verb verb, Vcpu vcpu, Pcpu by, long now) {
    enter(by);
    try {
      switch (verb) {
        case INSERT -> scheduler.insert(vcpu, now);
        case REMOVE -> scheduler.remove(vcpu, now);
        case WAKE -> scheduler.wake(vcpu, now);
        case SLEEP -> scheduler.sleep(vcpu, now);
        case EXPORT -> scheduler.export(vcpu, now);
      }
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("%s(%s)".formatted(verb.name().toLowerCase(Locale.ROOT), vcpu), thrown);
    }
    leave(verb == Verb.WAKE ? host.wake() : host.rest());
  }

  void put(Vcpu vcpu, Pcpu cpu, PutReason reason, long ran, long now) {
    enter(cpu);
    try {
      scheduler.put(vcpu, cpu.index, reason, ran, now);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("put(%s, %s)".formatted(vcpu, reason), thrown);
    }
    leave(host.put());
  }

  void pick(Pcpu cpu, long now, Decision decision) {
    enter(cpu);
    try {
      scheduler.pick(cpu.index, now, decision);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("pick(pcpu=" + cpu.index + ")", thrown);
    }
    leave(host.pick());
  }

  void askLoad(long now) {
    enter(null);
    try {
      load = scheduler.load(now);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("load()", thrown);
    }
    leave(host.rest());
  }

  /** What it would give to another run queue, or null. */
  SchedUnit offer(Seat taker, long now) {
    enter(null);
    SchedUnit offered;
    try {
      offered = scheduler.offer(taker, now).orElse(null);
    } catch (Throwable thrown) { // a plugin's, of any kind
      throw threw("offer()", thrown);
    }
    leave(host.rest());
    return offered;
  }

  private void enter(Pcpu by) {
    caller = by;
    inCall = true;
    host.enter();
  }

  private void leave(Histogram kind) {
    host.leave(kind);
    inCall = false;
    caller = null;
  }

  private static SchedulerFaultException threw(String call, Throwable thrown) {
    StackTraceElement[] trace = thrown.getStackTrace();
    String place = trace.length == 0 ? "" : " at " + trace[0];
    return new SchedulerFaultException(Kind.THREW, call + " threw " + thrown + place, thrown);
  }

  // ------------------------------------------------------------------ what schedulers see

  @Override
  public String name() {
    return "simulated";
  }

  @Override
  public int pcpus() {
    return cpus.length;
  }

  @Override
  public Object shared() {
    return shared;
  }

  @Override
  public void tickle(int pcpu) {
    if (!inCall) {
      throw new IllegalStateException("not inside a call of the kernel: pool=" + name());
    }
    Pcpu cpu = cpus[pcpu];
    if (!cpu.tickled) {
      cpu.tickled = true;
      if (cpu != caller) {
        simulation.kick(cpu);
      }
    }
  }

  /** Whether one of its pCPUs has nothing to run. */
  @Override
  public boolean idles() {
    for (Pcpu cpu : cpus) {
      if (cpu.toldToIdle) {
        return true;
      }
    }
    return false;
  }

  @Override
  public long load() {
    return load;
  }

  @Override
  public boolean allows(SchedUnit unit) {
    if (unit instanceof Vcpu vcpu) {
      for (int number : numbers) {
        if (vcpu.settings().affinity().contains(number)) {
          return true;
        }
      }
    }
    return false;
  }
}

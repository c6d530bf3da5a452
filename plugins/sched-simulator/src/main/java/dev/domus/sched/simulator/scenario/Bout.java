package dev.domus.sched.simulator.scenario;

import dev.domus.kernel.sched.SchedParameters;
import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.engine.SchedulerFaultException;
import dev.domus.sched.simulator.engine.SchedulerFaultException.Kind;
import dev.domus.sched.simulator.engine.Simulation;
import dev.domus.sched.simulator.engine.VcpuSettings;
import dev.domus.sched.simulator.workload.Behaviour;
import dev.domus.sched.simulator.workload.Workload;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SplittableRandom;

/**
 * One scheduler in one scenario.
 *
 * <p>The simulation runs in a thread of its own, because a scheduler that never returns from a call
 * can only be left behind: Java cannot stop it. The thread that waits looks at the host's clock of
 * calls now and then. A call during which that thread has used {@value #MOST_CALL_MILLIS} ms of CPU
 * time, or for as long waits for something, is given up; a busy host alone makes no call overlong.
 */
public final class Bout {
  private static final int MOST_CALL_MILLIS = 5_000;
  private static final int LOOK_MILLIS = 50;

  private final Scenario scenario;
  private final Contender contender;
  private final List<Map<String, SchedParameters>> parameters;
  private final RunRecorder recorder;
  private final int mostCallMillis;
  private final HostClock host = new HostClock();

  // Written by the simulating thread, read by the waiting one when that has ended, or given up.
  private volatile Optional<Simulation> simulation = Optional.empty();
  private volatile Optional<SchedulerFaultException> fault = Optional.empty();
  private volatile Optional<Throwable> bug = Optional.empty();
  private volatile List<Measures> measures = List.of();

  /**
   * A bout that has not begun.
   *
   * @param parameters checked unit parameters for each workload, by scheduler
   */
  public Bout(
      Scenario scenario,
      Contender contender,
      List<Map<String, SchedParameters>> parameters,
      RunRecorder recorder) {
    this(scenario, contender, parameters, recorder, MOST_CALL_MILLIS);
  }

  /** With less patience. */
  Bout(
      Scenario scenario,
      Contender contender,
      List<Map<String, SchedParameters>> parameters,
      RunRecorder recorder,
      int mostCallMillis) {
    this.scenario = scenario;
    this.contender = contender;
    this.parameters = List.copyOf(parameters);
    this.recorder = recorder;
    this.mostCallMillis = mostCallMillis;
  }

  /** Simulates, and says what came out. Whatever the scheduler does is in there. */
  public Outcome run() {
    Thread thread =
        Thread.ofPlatform().daemon().name("simulate-" + contender.label()).start(this::simulate);
    if (!awaitEnd(thread)) {
      // What it measured is the lost thread's; nobody else may read it.
      return new Outcome(
          contender,
          List.of(),
          0,
          0,
          0,
          0,
          Optional.of(
              new Outcome.Fault(
                  Kind.OVERLONG_CALL,
                  "a call has not returned after %d ms of CPU time or waiting, in %s"
                      .formatted(mostCallMillis, place(thread)),
                  0,
                  List.of())),
          Optional.empty());
    }
    if (bug.isPresent()) {
      throw new IllegalStateException("the simulator failed", bug.get());
    }
    return outcome();
  }

  private static String place(Thread thread) {
    for (StackTraceElement frame : thread.getStackTrace()) {
      String module = frame.getModuleName();
      if (module != null && !module.startsWith("java.")) {
        return frame.toString();
      }
    }
    return "a place unknown";
  }

  // ------------------------------------------------------------------ the simulating thread

  private void simulate() {
    try {
      Simulation made =
          new Simulation(
              scenario.pcpus(),
              scenario.costs(),
              contender.factory(),
              contender.values(),
              recorder,
              host);
      populate(made);
      simulation = Optional.of(made);
      made.run(scenario.warmupNanos(), scenario.measuredNanos());
    } catch (SchedulerFaultException e) {
      fault = Optional.of(e);
    } catch (Throwable e) { // ours; told by the thread that waits
      bug = Optional.of(e);
    }
  }

  /** The same domains with the same random numbers, whatever the scheduler. */
  private void populate(Simulation into) {
    SplittableRandom seeds = new SplittableRandom(scenario.seed());
    List<Measures> counted = new ArrayList<>();
    int domid = 1;
    for (int i = 0; i < scenario.workloads().size(); i++) {
      Workload workload = scenario.workloads().get(i);
      VcpuSettings settings =
          new VcpuSettings(
              workload.weight(),
              workload.cap(),
              workload.affinity(),
              workload.softAffinity(),
              parameters.get(i));
      Measures mine = new Measures();
      counted.add(mine);
      for (int domain = 0; domain < workload.domains(); domain++) {
        Behaviour.Guest guest = workload.behaviour().newGuest(domain);
        for (int vcpu = 0; vcpu < workload.vcpus(); vcpu++) {
          SplittableRandom random = seeds.split();
          into.add(domid, vcpu, settings, mine, added -> guest.program(added, random));
        }
        domid++;
      }
    }
    measures = List.copyOf(counted);
  }

  // ------------------------------------------------------------------ the waiting thread

  /** False if the thread is stuck in a call. */
  private boolean awaitEnd(Thread thread) {
    long call = 0;
    long cpuNanos = 0;
    int waits = 0;
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join(LOOK_MILLIS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
      long now = host.calls();
      long cpu = ManagementFactory.getThreadMXBean().getThreadCpuTime(thread.threadId());
      if (now != call || now % 2 == 0) {
        call = now;
        cpuNanos = cpu;
        waits = 0;
      } else {
        waits += thread.getState() == Thread.State.RUNNABLE ? 0 : LOOK_MILLIS;
        if (cpu - cpuNanos > mostCallMillis * 1_000_000L || waits > mostCallMillis) {
          thread.interrupt(); // in case it waits for something
          return false;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return true;
  }

  private Outcome outcome() {
    if (simulation.isEmpty()) {
      SchedulerFaultException why = fault.orElseThrow();
      return new Outcome(
          contender,
          List.of(),
          0,
          0,
          0,
          0,
          Optional.of(new Outcome.Fault(why.kind(), why.getMessage(), 0, List.of())),
          Optional.empty());
    }
    Simulation done = simulation.get();
    return new Outcome(
        contender,
        results(done),
        done.measuredNanos(),
        done.overheadNanos(),
        done.decisions(),
        done.handledEvents(),
        fault.map(why ->
            new Outcome.Fault(why.kind(), why.getMessage(), done.nowNanos(), done.lastDecisions())),
        Optional.of(host));
  }

  private List<WorkloadResult> results(Simulation done) {
    List<Workload> workloads = scenario.workloads();
    double[] got = new double[workloads.size()];
    double[][] shares = new double[workloads.size()][];
    double measured = Math.max(1, done.measuredNanos());
    int next = 0;
    for (int i = 0; i < shares.length; i++) {
      shares[i] = new double[workloads.get(i).totalVcpus()];
      for (int j = 0; j < shares[i].length; j++) {
        shares[i][j] = done.vcpus().get(next++).measuredRunNanos() / measured;
        got[i] += shares[i][j];
      }
    }
    List<OptionalDouble> due = FairShares.due(workloads, got, scenario.pcpus());
    List<WorkloadResult> results = new ArrayList<>();
    for (int i = 0; i < shares.length; i++) {
      results.add(
          new WorkloadResult(
              workloads.get(i), measures.get(i), done.measuredNanos(), shares[i], due.get(i)));
    }
    return results;
  }
}

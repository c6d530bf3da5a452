package dev.domus.sched.simulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.engine.HostClock;
import dev.domus.sched.simulator.engine.Measures;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.engine.Simulation;
import dev.domus.sched.simulator.engine.VcpuSettings;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.Scenario;
import dev.domus.sched.simulator.workload.Behaviour;
import dev.domus.sched.simulator.workload.Workload;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class LargePoolTest {
  private static final String[] HUNDRED_THOUSAND = {
    "cpu:count=40000",
    "io:count=30000",
    "rt:count=10000,period=100ms",
    "bursty:count=10000",
    "lock:count=2500"
  };

  @Test
  void aThousandPcpusAndAHundredThousandVcpus() throws Exception {
    Lab lab = new Lab(1_000, new Costs(2_000, 10_000, 2_000), 0, 50 * Lab.MS, 1);
    for (SchedulerFactory factory : List.of(Lab.RR, Lab.EEVDF)) {
      Outcome outcome = lab.run(factory, HUNDRED_THOUSAND);
      assertTrue(outcome.fault().isEmpty(), outcome.fault()::toString);
      assertEquals(100_000, outcome.workloads().stream().mapToInt(r -> r.shares().length).sum());
      assertEquals(1_000, outcome.usedPcpus(), 10);
      assertTrue(outcome.decisions() > 5_000);
    }
  }

  /** Of a run twice as long, the second half allocates nothing. */
  @Test
  void eventsAllocateNothing() throws Exception {
    Scenario scenario =
        Lab.pool(8, 1)
            .scenario("cpu:count=8", "io:count=20", "rt:count=10", "bursty:count=5", "lock");
    for (SchedulerFactory factory : List.of(Lab.RR, Lab.CREDIT, Lab.EEVDF)) {
      run(factory, scenario, Lab.SECOND); // classes are loaded by then
      long[] shorter = run(factory, scenario, Lab.SECOND);
      long[] longer = run(factory, scenario, 4 * Lab.SECOND);
      long events = longer[1] - shorter[1];
      long bytes = longer[0] - shorter[0];
      assertTrue(events > 30_000, "events=" + events);
      assertTrue(bytes < events, factory.name() + ": bytes=" + bytes + " events=" + events);
    }
  }

  /** Bytes allocated and events handled in a run. */
  private static long[] run(SchedulerFactory factory, Scenario scenario, long nanos) {
    Simulation simulation =
        new Simulation(
            scenario.pcpus(),
            Costs.NONE,
            factory,
            SchedParameters.check(factory, Map.of()),
            RunRecorder.NONE,
            new HostClock());
    SplittableRandom seeds = new SplittableRandom(1);
    int domid = 1;
    for (Workload workload : scenario.workloads()) {
      Measures measures = new Measures();
      for (int domain = 0; domain < workload.domains(); domain++) {
        Behaviour.Guest guest = workload.behaviour().newGuest(domain);
        for (int vcpu = 0; vcpu < workload.vcpus(); vcpu++) {
          SplittableRandom random = seeds.split();
          simulation.add(
              domid,
              vcpu,
              VcpuSettings.ofWeight(256),
              measures,
              added -> guest.program(added, random));
        }
        domid++;
      }
    }
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    simulation.run(0, nanos);
    return new long[] {
      threads.getCurrentThreadAllocatedBytes() - before, simulation.handledEvents()
    };
  }
}

package dev.domus.sched.simulator;

import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.PluginInfo;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.sched.credit.CreditFactory;
import dev.domus.sched.eevdf.EevdfFactory;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.sched.simulator.engine.Costs;
import dev.domus.sched.simulator.engine.RunRecorder;
import dev.domus.sched.simulator.scenario.Bout;
import dev.domus.sched.simulator.scenario.Contender;
import dev.domus.sched.simulator.scenario.Outcome;
import dev.domus.sched.simulator.scenario.Scenario;
import dev.domus.sched.simulator.scenario.UnitParameters;
import dev.domus.sched.simulator.workload.Workload;
import dev.domus.sched.simulator.workload.WorkloadReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** Scenarios in a line, and a host that has schedulers and nothing else. */
public record Lab(int pcpus, Costs costs, long warmupNanos, long measuredNanos, long seed)
    implements Host {
  public static final long MS = 1_000_000;
  public static final long SECOND = 1_000_000_000;

  public static final SchedulerFactory RR = new RoundRobinFactory();
  public static final SchedulerFactory CREDIT = new CreditFactory();
  public static final SchedulerFactory EEVDF = new EevdfFactory();

  /** A machine that costs nothing, measured for some seconds after half of one. */
  public static Lab pool(int pcpus, int seconds) {
    return new Lab(pcpus, Costs.NONE, SECOND / 2, seconds * SECOND, 7);
  }

  public Lab costing(Costs newCosts) {
    return new Lab(pcpus, newCosts, warmupNanos, measuredNanos, seed);
  }

  public Scenario scenario(String... workloads) throws UsageException {
    WorkloadReader reader = new WorkloadReader(pcpus);
    for (String text : workloads) {
      reader.addText(text);
    }
    return new Scenario(
        pcpus, costs, warmupNanos, measuredNanos, seed, reader.workloads(OptionalInt.empty()));
  }

  public Outcome run(SchedulerFactory factory, String... workloads) throws UsageException {
    return run(contender(factory, Map.of()), RunRecorder.NONE, workloads);
  }

  public Outcome run(Contender contender, RunRecorder recorder, String... workloads)
      throws UsageException {
    Scenario scenario = scenario(workloads);
    return new Bout(scenario, contender, parameters(scenario, contender.factory()), recorder).run();
  }

  public static Contender contender(SchedulerFactory factory, Map<String, String> given) {
    return new Contender(factory.name(), factory, SchedParameters.check(factory, given));
  }

  public static List<Map<String, SchedParameters>> parameters(
      Scenario scenario, SchedulerFactory factory) throws UsageException {
    List<Map<String, SchedParameters>> parameters = new ArrayList<>();
    for (Workload workload : scenario.workloads()) {
      parameters.add(UnitParameters.check(workload, List.of(factory)));
    }
    return parameters;
  }

  // ------------------------------------------------------------------ the host

  @Override
  public List<SchedulerFactory> schedulerFactories() {
    return List.of(RR, CREDIT, EEVDF, Misfits.THROWS);
  }

  @Override
  public List<NamedPart> engines() {
    return List.of();
  }

  @Override
  public List<NamedPart> policies() {
    return List.of();
  }

  @Override
  public List<DeviceModelInfo> deviceModels() {
    return List.of();
  }

  @Override
  public List<NamedPart> dmaModes() {
    return List.of();
  }

  @Override
  public List<String> services() {
    return List.of();
  }

  @Override
  public List<ParameterInfo> schedulerParameters() {
    return List.of();
  }

  @Override
  public List<NamedPart> schedulers() {
    return List.of();
  }

  @Override
  public List<Subcommand> subcommands() {
    return List.of(new SimulateSubcommand());
  }

  @Override
  public List<PluginInfo> plugins() {
    return List.of();
  }

  @Override
  public List<HypercallInfo> hypercalls() {
    return List.of();
  }

  @Override
  public Machine start(MachineSpec spec) {
    throw new AssertionError("a simulation starts no machine");
  }
}

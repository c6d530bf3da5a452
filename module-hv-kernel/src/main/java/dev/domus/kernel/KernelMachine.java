package dev.domus.kernel;

import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceTurns;
import dev.domus.kernel.time.DrivenTime;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.kernel.trace.Trace;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineMemoryException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The running machine: a hypervisor, its first pool, and domain 0 with its services.
 *
 * <p>It is taken down in the reverse order of dependence: guest domains first, while the services
 * that they talk to are still there; then the services, domain 0, the pCPUs, and the memory.
 */
public final class KernelMachine implements Machine {
  private static final System.Logger LOG = System.getLogger(KernelMachine.class.getName());
  private static final int DOMAIN_0 = 0;

  private final Hypervisor hypervisor;
  private final Optional<ServiceTurns> turns;
  private final LocalServiceDomain domain0;
  private final List<Service> started = new ArrayList<>();
  private boolean closed;

  private KernelMachine(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies) {
    this.hypervisor = hypervisor;
    turns = hypervisor.virtualClock().map(ServiceTurns::new);
    DomainControl control = new DomainControl(hypervisor, engines, schedulers, policies);
    domain0 =
        new LocalServiceDomain(
            DOMAIN_0,
            hypervisor,
            hypervisor.grantMachine(),
            hypervisor.ioClaims(DOMAIN_0),
            () -> control,
            turns);
    hypervisor.addServiceDomain(domain0.events());
  }

  /**
   * Starts a machine. A service that fails to start is named in the log and left out.
   *
   * @param engines by name
   * @param schedulers by name; the one that {@code spec} names is among them
   * @param policies access policies by name
   * @param services to run in domain 0
   * @throws MachineException if memory or pCPUs cannot be had
   */
  public static Machine start(
      MachineSpec spec,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      List<Service> services)
      throws MachineException {
    Dispatcher dispatcher = dispatcherFor(spec);
    KernelMachine machine;
    try {
      SchedulerFactory scheduler = schedulers.get(spec.scheduler());
      Map<String, String> parameters = spec.schedulerParameters();
      SchedParameters.check(scheduler, parameters, schedulers.values()); // names the owner
      dispatcher.createPool(spec.pool(), spec.pcpus(), scheduler, parameters);
      Hypervisor hypervisor =
          new Hypervisor(
              spec.memoryBytes(),
              spec.hugePages()
                  ? MachineMemory.HugePages.ASKED_FOR
                  : MachineMemory.HugePages.HOST_POLICY,
              new HypercallTable(),
              dispatcher);
      machine = new KernelMachine(hypervisor, engines, schedulers, policies);
    } catch (MachineMemoryException | IllegalArgumentException refused) {
      dispatcher.close();
      throw new MachineException(refused.getMessage());
    }
    services.stream()
        .sorted(Comparator.comparingInt(Service::order))
        .forEach(machine::startService);
    return machine;
  }

  private static Dispatcher dispatcherFor(MachineSpec spec) throws MachineException {
    if (spec.deterministic().isEmpty()) {
      return new Dispatcher();
    }
    if (spec.pcpus() != 1) {
      throw new MachineException(
          "a deterministic machine has one pCPU, since several would race: pcpus=" + spec.pcpus());
    }
    DeterministicMode mode = spec.deterministic().get();
    return new Dispatcher(new VirtualClock(mode.seed(), mode.wallClock()), DispatchLimits.DEFAULT);
  }

  private void startService(Service service) {
    if (turns.isPresent() && !service.repeatable()) {
      LOG.log(
          Level.WARNING,
          "service "
              + service.name()
              + " is left out: what it does is not repeatable, and this machine is deterministic");
      return;
    }
    try {
      service.start(domain0);
      started.add(service);
    } catch (RuntimeException | LinkageError failure) { // a plugin's fault: the rest runs
      LOG.log(Level.WARNING, "service " + service.name() + " failed to start: " + failure);
    }
  }

  @Override
  public ServiceDomain domain0() {
    return domain0;
  }

  @Override
  public Trace trace() {
    return hypervisor.tracer();
  }

  @Override
  public Optional<VirtualTime> virtualTime() {
    return hypervisor.virtualClock().map(clock -> new DrivenTime(clock, hypervisor));
  }

  @Override
  public synchronized void close() {
    if (closed) {
      return;
    }
    closed = true;
    hypervisor.virtualClock().ifPresent(VirtualClock::close);
    hypervisor.destroyDomains();
    for (Service service : started.reversed()) {
      try {
        service.stop();
      } catch (RuntimeException | LinkageError failure) { // a plugin's fault: the rest is stopped
        LOG.log(Level.WARNING, "service " + service.name() + " failed to stop: " + failure);
      }
    }
    domain0.close();
    turns.ifPresent(ServiceTurns::close);
    hypervisor.close();
  }
}

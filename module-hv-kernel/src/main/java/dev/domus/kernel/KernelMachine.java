package dev.domus.kernel;

import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.plugin.DeviceSpec;
import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.servicedomain.DriverServices;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.RunningService;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import dev.domus.kernel.servicedomain.ServiceTurns;
import dev.domus.kernel.time.DrivenTime;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.kernel.trace.Trace;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineMemoryException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The running machine: a hypervisor, its first pool, domain 0 and the driver domains with their
 * services.
 *
 * <p>A driver domain may end while the machine runs. Its identity is taken away first, which needs
 * nobody's consent; then its services are told, by a thread of their own, since who asks for the
 * end may be a vCPU.
 *
 * <p>It is taken down in the reverse order of dependence: guest domains first, while the services
 * that they talk to are still there; then the services, domain 0, the pCPUs, and the memory.
 */
public final class KernelMachine implements Machine {
  private static final System.Logger LOG = System.getLogger(KernelMachine.class.getName());
  private static final int DOMAIN_0 = 0;

  /** What a service domain may have of memory, in frames: 16 MiB. It takes what it asks for. */
  private static final long SERVICE_DOMAIN_PAGES = 4096;

  private final Hypervisor hypervisor;
  private final Optional<ServiceTurns> turns;
  private final LocalServiceDomain domain0;
  private final Map<Integer, LocalServiceDomain> drivers = new LinkedHashMap<>();

  /** Where services run that do not run in domain 0. */
  private final Map<String, LocalServiceDomain> places = new HashMap<>();

  private final List<RunningService> started = new ArrayList<>();
  private final List<Thread> stopping = new ArrayList<>();
  private boolean closed;

  private KernelMachine(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models)
      throws MachineException {
    this.hypervisor = hypervisor;
    turns = hypervisor.virtualClock().map(ServiceTurns::new);
    hypervisor.setControl(new DomainControl(hypervisor, engines, schedulers, policies, models));
    hypervisor.onServiceEnd(this::endDriver);
    domain0 = startDomain(DOMAIN_0, "Domain-0", true, new ServiceRegistry());
  }

  private LocalServiceDomain startDomain(
      int domid, String name, boolean privileged, Services services) throws MachineException {
    return LocalServiceDomain.start(
            hypervisor, domid, name, SERVICE_DOMAIN_PAGES, privileged, services, turns)
        .orElseThrow(() ->
            new MachineException(
                "the machine's memory is too small for domain "
                    + name
                    + "; give it more (--memory)"));
  }

  private LocalServiceDomain startDriver(String name) throws MachineException {
    int domid = hypervisor.ids().claimNext();
    try {
      LocalServiceDomain driver =
          startDomain(domid, name, false, new DriverServices(domid, domain0.services()));
      drivers.put(domid, driver);
      return driver;
    } finally {
      hypervisor.ids().release(domid);
    }
  }

  /**
   * Starts a machine. A service that fails to start is named in the log and left out.
   *
   * @param engines by name
   * @param schedulers by name; the one that {@code spec} names is among them
   * @param policies access policies by name
   * @param models device models by name
   * @param dmaModes modes of protection for DMA by name, without the built-in one
   * @param services to run in domain 0
   * @throws MachineException if memory or pCPUs cannot be had
   */
  public static Machine start(
      MachineSpec spec,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models,
      Map<String, DmaModeFactory> dmaModes,
      List<Service> services)
      throws MachineException {
    Dispatcher dispatcher = dispatcherFor(spec);
    KernelMachine machine;
    try {
      SchedulerFactory scheduler = schedulers.get(spec.scheduler());
      Map<String, String> parameters = spec.schedulerParameters();
      SchedParameters.check(scheduler, parameters, schedulers.values()); // names the owner
      dispatcher.createPool(spec.pool(), spec.pcpus(), spec.granularity(), scheduler, parameters);
      Hypervisor hypervisor =
          new Hypervisor(
              spec.memoryBytes(),
              spec.hugePages()
                  ? MachineMemory.HugePages.ASKED_FOR
                  : MachineMemory.HugePages.HOST_POLICY,
              new HypercallTable(),
              dispatcher);
      hypervisor.assignments().drivers().setModes(dmaModes, spec.passThrough());
      machine = start(hypervisor, engines, schedulers, policies, models, spec, services);
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

  private static KernelMachine start(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models,
      MachineSpec spec,
      List<Service> services)
      throws MachineException {
    KernelMachine machine;
    try {
      requireServices(spec.driverDomains(), services);
      machine = new KernelMachine(hypervisor, engines, schedulers, policies, models);
    } catch (MachineException | RuntimeException refused) {
      hypervisor.close();
      throw refused;
    }
    try {
      for (DriverDomainSpec driver : spec.driverDomains()) {
        LocalServiceDomain domain = machine.startDriver(driver.name());
        driver.services().forEach(service -> machine.places.put(service, domain));
      }
      for (DeviceSpec device : spec.devices()) {
        machine.plug(device);
      }
      return machine;
    } catch (MachineException refused) {
      machine.close();
      throw refused;
    }
  }

  private void plug(DeviceSpec device) throws MachineException {
    try {
      hypervisor.control().plugDevice(device.model(), device.id(), device.options());
    } catch (HypercallException refused) {
      throw new MachineException(refused.getMessage());
    }
  }

  /** Every driver domain has a name of its own, and every service one domain. */
  private static void requireServices(List<DriverDomainSpec> drivers, List<Service> services)
      throws MachineException {
    Set<String> known =
        services.stream().map(Service::name).collect(Collectors.toCollection(TreeSet::new));
    Set<String> names = new HashSet<>();
    Set<String> placed = new HashSet<>();
    for (DriverDomainSpec driver : drivers) {
      if (!names.add(driver.name())) {
        throw new MachineException(
            "two driver domains are called %s; give each a name of its own"
                .formatted(driver.name()));
      }
      for (String service : driver.services()) {
        if (!known.contains(service)) {
          throw new MachineException(
              "driver domain %s: there is no service %s; there is %s"
                  .formatted(driver.name(), service, String.join(", ", known)));
        }
        if (!placed.add(service)) {
          throw new MachineException(
              "service %s is to run in two driver domains; name it once".formatted(service));
        }
      }
    }
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
    LocalServiceDomain domain = places.getOrDefault(service.name(), domain0);
    if (service.watchesDomains()) {
      hypervisor.virqs().setHandler(Virq.DOM_EXC, domain.domid());
    }
    try {
      service.start(domain);
      started.add(new RunningService(service, domain));
    } catch (RuntimeException | LinkageError failure) { // a plugin's fault: the rest runs
      LOG.log(Level.WARNING, "service " + service.name() + " failed to start: " + failure);
    }
  }

  private static void stop(RunningService running) {
    try {
      running.service().stop();
    } catch (RuntimeException | LinkageError failure) { // a plugin's fault: the rest is stopped
      LOG.log(Level.WARNING, "service " + running.service().name() + " failed to stop: " + failure);
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
  public synchronized List<ServiceDomain> driverDomains() {
    return List.copyOf(drivers.values());
  }

  @Override
  public synchronized Optional<ServiceDomain> domainOf(String service) {
    return started.stream()
        .filter(running -> running.service().name().equals(service))
        .map(running -> (ServiceDomain) running.domain())
        .findFirst();
  }

  private void endDriver(int domid) {
    LocalServiceDomain driver;
    List<RunningService> services;
    synchronized (this) {
      driver = drivers.remove(domid);
      services = started.stream().filter(running -> running.domain() == driver).toList();
      started.removeAll(services);
    }
    if (driver == null) {
      return; // somebody else is at it, or has been
    }
    driver.close();
    for (RunningService running : services) {
      Thread thread =
          Thread.ofVirtual().name("stop-" + running.service().name()).start(() -> stop(running));
      synchronized (this) {
        stopping.add(thread);
      }
    }
  }

  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    hypervisor.virtualClock().ifPresent(VirtualClock::close);
    hypervisor.destroyDomains(); // without the monitor, which a vCPU that ends a driver may want
    synchronized (this) {
      started.reversed().forEach(KernelMachine::stop);
      stopping.forEach(KernelMachine::await);
      drivers.values().forEach(LocalServiceDomain::close);
    }
    domain0.close();
    turns.ifPresent(ServiceTurns::close);
    hypervisor.close();
  }

  private static void await(Thread thread) {
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}

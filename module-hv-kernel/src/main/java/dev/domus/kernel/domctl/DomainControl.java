package dev.domus.kernel.domctl;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.DomainIds;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.control.PoolInfo;
import dev.domus.kernel.control.SwapResult;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.SchedulerFault;
import dev.domus.kernel.dispatch.SwapReport;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.host.Faults;
import dev.domus.kernel.hypercall.HypercallCounters;
import dev.domus.kernel.io.DomainIo;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.kernel.sched.CpuMask;
import dev.domus.kernel.sched.SchedParameters;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.trap.TrapState;
import dev.domus.kernel.xsm.AccessControl;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.Window;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Control of domains and of the machine, in the name of one domain: what {@link Control} is to
 * service domains and domctl and sysctl to guests. Every operation first asks whether its caller
 * may do it to its target, then checks its arguments; a call that throws has changed nothing.
 */
public final class DomainControl implements Control {
  private static final int MAX_VCPUS = 128;
  private static final int MAX_WEIGHT = 65535;
  private static final long MAX_PAGES = 1L << 28;

  private final Hypervisor hypervisor;
  private final Map<String, Engine> engines;
  private final Map<String, SchedulerFactory> schedulers;
  private final Map<String, AccessPolicyFactory> policies;
  private final Cpupools cpupools;
  private final Errands errands;
  private final DeviceControl devices;
  private final int caller;
  private final Optional<HypercallCounters> counters;

  /** As the other one, without device models. */
  public DomainControl(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies) {
    this(hypervisor, engines, schedulers, policies, Map.of());
  }

  /**
   * Makes the interface in domain 0's name, and has the hypervisor know it: the others are made
   * from it.
   *
   * @param engines by name, the one that is used if none is named first
   * @param schedulers by name
   * @param policies access policies by name, beside the built-in one
   * @param models device models by name
   */
  public DomainControl(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models) {
    this(
        hypervisor,
        engines,
        schedulers,
        policies,
        models,
        new Cpupools(hypervisor.dispatcher()),
        new Errands(),
        0,
        Optional.empty());
    hypervisor.setControl(this);
  }

  private DomainControl(
      Hypervisor hypervisor,
      Map<String, Engine> engines,
      Map<String, SchedulerFactory> schedulers,
      Map<String, AccessPolicyFactory> policies,
      Map<String, DeviceModel> models,
      Cpupools cpupools,
      Errands errands,
      int caller,
      Optional<HypercallCounters> counters) {
    this.hypervisor = hypervisor;
    this.engines = engines;
    this.schedulers = schedulers;
    this.policies = policies;
    devices = new DeviceControl(this, models);
    this.cpupools = cpupools;
    this.errands = errands;
    this.caller = caller;
    this.counters = counters;
  }

  /** The same in another domain's name, whose hypercall counts it already. */
  public DomainControl as(int domid) {
    return new DomainControl(
        hypervisor,
        engines,
        schedulers,
        policies,
        devices.models(),
        cpupools,
        errands,
        domid,
        Optional.empty());
  }

  /**
   * The same in a service domain's name.
   *
   * @param counters counts each operation as the hypercall that a guest would make for it
   */
  public DomainControl as(int domid, HypercallCounters counters) {
    return new DomainControl(
        hypervisor,
        engines,
        schedulers,
        policies,
        devices.models(),
        cpupools,
        errands,
        domid,
        Optional.of(counters));
  }

  // ---- life cycle

  @Override
  public int createDomain(DomainSpec spec) {
    return createDomain(spec, DomainIds.NONE);
  }

  /**
   * As {@link #createDomain(DomainSpec)}, with a certain id.
   *
   * @param wanted 1 to {@link Domid#FIRST_RESERVED} − 1, EEXIST if it is in use; or {@link
   *     DomainIds#NONE} for the next free one
   */
  int createDomain(DomainSpec spec, int wanted) {
    gate(Operation.DOMCTL, Domid.XEN, DomctlLayout.CREATE_DOMAIN);
    require(
        spec.vcpus() >= 1 && spec.vcpus() <= MAX_VCPUS, "vcpus", spec.vcpus(), "1 to " + MAX_VCPUS);
    require(
        spec.maxPages() >= 1 && spec.maxPages() <= MAX_PAGES,
        "maxPages",
        spec.maxPages(),
        "1 to " + MAX_PAGES);
    requireShare(spec.weight(), spec.cap());
    Engine engine = engines.get(spec.engine());
    require(engine != null, "engine", spec.engine(), "one of " + engines.keySet());
    if (hypervisor.virtualClock().isPresent() && !engine.countsExactly()) {
      throw new HypercallException(
          Errno.EOPNOTSUPP,
          "engine %s does not count instructions exactly, as a deterministic machine needs it; choose another"
              .formatted(engine.name()));
    }
    int domid = claimId(wanted);
    cpupools.lock(); // no pool goes before the vCPUs are in it
    try {
      require(pool(spec.pool()).pool().isPresent(), "pool", spec.pool(), "one with a pCPU");
      return hypervisor
          .createDomain(domid, spec, engine)
          .orElseThrow(
              () -> new HypercallException(Errno.ENOMEM, "no frame for the shared info page"))
          .domid();
    } finally {
      cpupools.unlock();
      hypervisor.ids().release(domid);
      hypervisor.settle();
    }
  }

  private int claimId(int wanted) {
    if (wanted == DomainIds.NONE) {
      int next = hypervisor.ids().claimNext();
      if (next == DomainIds.NONE) {
        throw new HypercallException(Errno.ENOMEM, "all domain ids are in use");
      }
      return next;
    }
    if (!hypervisor.ids().claim(wanted)) {
      throw new HypercallException(Errno.EEXIST, "domain id in use: domid=" + wanted);
    }
    return wanted;
  }

  @Override
  public void destroyDomain(int domid) {
    destroyDomain(domid, () -> false);
  }

  /**
   * Takes a domain apart, in portions.
   *
   * @param mustStop asked now and then whether to return before everything is done
   * @return whether everything is done
   */
  public boolean destroyDomain(int domid, BooleanSupplier mustStop) {
    boolean service = hypervisor.serviceDomain(domid) != null;
    if (!service && hypervisor.domain(domid) == null && hypervisor.dying(domid) == null) {
      throw noSuchDomain(domid);
    }
    gate(Operation.DOMCTL, domid, DomctlLayout.DESTROY_DOMAIN);
    if (service) {
      require(domid != 0, "domid", domid, "another domain: domain 0 goes with the machine");
      hypervisor.endServiceDomain(domid);
      hypervisor.settle();
      return true;
    }
    boolean done = hypervisor.destroyDomain(domid, mustStop);
    hypervisor.settle();
    return done;
  }

  @Override
  public void pause(int domid) {
    target(DomctlLayout.PAUSE_DOMAIN, domid).pause();
    hypervisor.settle();
  }

  @Override
  public void unpause(int domid) {
    if (!target(DomctlLayout.UNPAUSE_DOMAIN, domid).unpause()) {
      throw new HypercallException(Errno.EINVAL, "domain is not paused: domid=" + domid);
    }
    hypervisor.settle();
  }

  @Override
  public void shutdown(int domid, int reason) {
    require(
        reason >= DomainInfo.POWEROFF && reason <= DomainInfo.SOFT_RESET,
        "reason",
        reason,
        "0 to 5");
    target(DomctlLayout.DESTROY_DOMAIN, domid).shutdown(reason);
    hypervisor.settle();
  }

  @Override
  public List<DomainInfo> domains() {
    return hypervisor.domains().stream()
        .filter(d -> may(Operation.DOMCTL, d.domid(), DomctlLayout.GET_DOMAIN_INFO))
        .map(Domain::info)
        .toList();
  }

  @Override
  public Optional<DomainInfo> domain(int domid) {
    Domain living = hypervisor.anyDomain(domid);
    Optional<Domain> found = Optional.ofNullable(living == null ? hypervisor.dying(domid) : living);
    if (found.isPresent()) {
      gate(Operation.DOMCTL, domid, DomctlLayout.GET_DOMAIN_INFO);
    }
    return found.map(Domain::info);
  }

  // ---- building

  @Override
  public void claim(int domid, long pages) {
    FrameAllocator allocator = hypervisor.machineFrames().allocator();
    check(
        target(Operation.ADJUST_MEMORY, domid).mmu().claim(pages),
        "not enough free machine memory, or no such claim possible: domid=%d pages=%d free=%d claimed=%d",
        domid,
        pages,
        allocator.freeFrames(),
        allocator.claimedFrames());
  }

  @Override
  public void populate(int domid, long firstPfn, long count) {
    check(
        target(Operation.ADJUST_MEMORY, domid).mmu().populate(firstPfn, count),
        "cannot populate: domid=%d firstPfn=%d count=%d free=%d",
        domid,
        firstPfn,
        count,
        hypervisor.machineFrames().allocator().freeFrames());
  }

  @Override
  public long mfn(int domid, long pfn) {
    return target(Operation.MAP_FRAMES, domid).mmu().p2m().mfn(pfn);
  }

  @Override
  public Window mapForeign(int domid, long firstPfn, int pages, boolean writable) {
    Domain domain = target(Operation.MAP_FRAMES, domid);
    require(pages >= 0, "pages", pages, "not negative");
    return ForeignMapping.open(hypervisor, domain, firstPfn, pages, writable)
        .orElseThrow(() ->
            new HypercallException(
                Errno.EINVAL,
                "not all pages are there, or one is a page table: domid=%d firstPfn=%d pages=%d writable=%b"
                    .formatted(domid, firstPfn, pages, writable)));
  }

  @Override
  public void pinTable(int domid, int level, long mfn) {
    require(level >= 1 && level <= 4, "level", level, "1 to 4");
    TableWork work = TableWork.toTheEnd();
    int result = target(Operation.CHANGE_TABLES, domid).mmu().roots().pin(level, mfn, work);
    work.finish();
    check(result, "page table refused: domid=%d level=%d mfn=0x%x", domid, level, mfn);
  }

  @Override
  public int typeOnConsole(byte[] text) {
    gate(Operation.CONSOLE_IO, Domid.XEN, 0);
    int taken = hypervisor.console().type(text);
    hypervisor.virqs().raise(Virq.CONSOLE);
    return taken;
  }

  @Override
  public void setStart(int domid, VcpuStart start) {
    Domain domain = target(DomctlLayout.SET_VCPU_CONTEXT, domid);
    Vcpu v = domain.vcpu(0);
    if (v.initialised()) {
      throw new HypercallException(Errno.EEXIST, "vCPU 0 has been set up already: domid=" + domid);
    }
    require(Pte.isCanonical(start.rip()), "rip", start.rip(), "a canonical address");
    TableWork work = TableWork.toTheEnd();
    int result = domain.mmu().roots().newBasePointer(v, start.pageTableMfn(), work);
    work.finish();
    check(result, "base pointer refused: domid=%d mfn=0x%x", domid, start.pageTableMfn());
    CpuState s = v.state();
    s.rip = start.rip();
    s.gpr[CpuState.RSP] = start.rsp();
    s.gpr[CpuState.RSI] = start.startInfo();
    s.cs = TrapState.FLAT_KERNEL_CS;
    s.ss = TrapState.FLAT_KERNEL_SS;
    v.traps().setKernelStack(TrapState.FLAT_KERNEL_SS, start.rsp());
    v.setInitialised();
    v.up();
  }

  @Override
  public void seedGrant(int domid, int ref, int granteeDomid, long pfn) {
    Domain domain = target(Operation.GRANT_TABLE, domid);
    long mfn = domain.mmu().p2m().mfn(pfn);
    require(mfn >= 0, "pfn", pfn, "a populated guest frame");
    check(
        domain.grants().seed(ref, granteeDomid, mfn),
        "grant refused: domid=%d ref=%d grantee=%d pfn=%d",
        domid,
        ref,
        granteeDomid,
        pfn);
  }

  @Override
  public void permitIoMemory(int domid, long firstFrame, long frames, boolean allowed) {
    Domain domain = target(Operation.IO_MEMORY, domid, firstFrame);
    DomainIo own = ownIo();
    String which = "domid=%d firstFrame=0x%x frames=%d".formatted(domid, firstFrame, frames);
    if (own != null && !own.mayPassOnMemory(firstFrame, frames)) {
      throw new HypercallException(Errno.EPERM, "not the caller's to give: " + which);
    }
    check(domain.io().permitMemory(firstFrame, frames, allowed), "not I/O memory: %s", which);
  }

  @Override
  public void permitIoPorts(int domid, int first, int count, boolean allowed) {
    Domain domain = target(Operation.IO_PORTS, domid, first);
    DomainIo own = ownIo();
    String which = "domid=%d first=0x%x count=%d".formatted(domid, first, count);
    if (own != null && !own.mayPassOnPorts(first, count)) {
      throw new HypercallException(Errno.EPERM, "not the caller's to give: " + which);
    }
    check(domain.io().permitPorts(first, count, allowed), "no such ports: %s", which);
  }

  /** What the caller may reach itself, if it is a guest domain; service domains have no limit. */
  private DomainIo ownIo() {
    Domain domain = hypervisor.domain(caller);
    return domain == null ? null : domain.io();
  }

  // ---- devices

  @Override
  public List<PciDevice> pciDevices() {
    return devices.list();
  }

  @Override
  public void plugDevice(String model, RequesterId id, Map<String, String> options) {
    devices.plug(model, id, options);
  }

  @Override
  public void unplugDevice(RequesterId id) {
    devices.unplug(id);
  }

  @Override
  public void assignDevice(int domid, RequesterId id) {
    devices.assign(domid, id);
  }

  @Override
  public void deassignDevice(int domid, RequesterId id) {
    devices.deassign(domid, id);
  }

  /** PCI functions. */
  DeviceControl devices() {
    return devices;
  }

  @Override
  public int allocUnbound(int domid, int remoteDomid) {
    return check(
        target(Operation.EVENT_CHANNELS, domid).events().allocUnbound(caller, remoteDomid),
        "no port: domid=%d remoteDomid=%d",
        domid,
        remoteDomid);
  }

  // ---- looking

  @Override
  public void setDirtyLogging(int domid, boolean on) {
    translated(domid).setLogging(on);
  }

  @Override
  public long[] collectDirty(int domid, long gfn, int pages) {
    require(pages >= 0, "pages", pages, "not negative");
    long[] bitmap = new long[Math.ceilDiv(pages, Long.SIZE)];
    if (translated(domid).collectDirty(gfn, pages, bitmap) < 0) {
      throw new HypercallException(
          Errno.EINVAL,
          "dirty logging is off, or such frames cannot be: domid=%d gfn=0x%x pages=%d"
              .formatted(domid, gfn, pages));
    }
    return bitmap;
  }

  private Physmap translated(int domid) {
    return anyTarget(DomctlLayout.SHADOW_OP, domid)
        .physmap()
        .orElseThrow(() ->
            new HypercallException(Errno.EOPNOTSUPP, "not a translated domain: domid=" + domid));
  }

  @Override
  public Optional<String> crashReport(int domid) {
    return Optional.ofNullable(anyTarget(DomctlLayout.GET_DOMAIN_INFO, domid).crashReport());
  }

  @Override
  public List<CallCount> hypercallCounts(int domid) {
    return anyTarget(DomctlLayout.GET_DOMAIN_INFO, domid).counters().list();
  }

  // ---- who may do what

  private static final int LOOK = 0, REPLACE = 1;

  @Override
  public String accessPolicy() {
    gate(Operation.ACCESS_POLICY, Domid.XEN, LOOK);
    return hypervisor.access().policyName();
  }

  @Override
  public void setAccessPolicy(String name, Optional<String> argument) {
    gate(Operation.ACCESS_POLICY, Domid.XEN, REPLACE);
    if (name.equals(AccessControl.BUILT_IN)) {
      require(argument.isEmpty(), "argument", argument, "none for the built-in policy");
      hypervisor.access().resetPolicy();
      return;
    }
    AccessPolicyFactory factory = policies.get(name);
    require(factory != null, "policy", name, "default or one of " + policies.keySet());
    hypervisor.access().setPolicy(name, makePolicy(factory, name, argument));
  }

  private AccessPolicy makePolicy(
      AccessPolicyFactory factory, String name, Optional<String> argument) {
    AccessPolicy policy;
    try {
      policy = factory.create(argument, hypervisor.access().builtIn());
    } catch (IllegalArgumentException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    } catch (Throwable fault) { // a plugin's, of any kind
      Faults.rethrowIfOurs(fault);
      throw new HypercallException(
          Errno.EINVAL, "access policy %s failed: %s".formatted(name, Faults.inOneLine(fault)));
    }
    if (policy == null) {
      throw new HypercallException(Errno.EINVAL, "access policy %s made none".formatted(name));
    }
    return policy;
  }

  @Override
  public List<Denial> denials() {
    gate(Operation.ACCESS_POLICY, Domid.XEN, LOOK);
    return hypervisor.access().denials();
  }

  // ---- scheduling

  @Override
  public List<PoolInfo> pools() {
    poolGate();
    return cpupools.all().stream().map(this::info).toList();
  }

  private void poolGate() {
    gate(Operation.SYSCTL, Domid.XEN, SysctlLayout.CPUPOOL_OP);
  }

  private PoolInfo info(Cpupools.Cpupool cpupool) {
    String name = cpupool.name();
    String fault =
        hypervisor.dispatcher().faults().reversed().stream()
            .filter(f -> f.pool().equals(name))
            .findFirst()
            .map(SchedulerFault::toString)
            .orElse("");
    return new PoolInfo(
        cpupool.id(),
        name,
        cpupool.scheduler().name(),
        cpupool.parameters(),
        Arrays.stream(cpupool.pcpus()).boxed().toList(),
        vcpus(cpupool),
        fault);
  }

  /** Asked of the domains: a pool's scheduler hears of new vCPUs a little later. */
  private int vcpus(Cpupools.Cpupool cpupool) {
    int count = 0;
    for (Domain domain : hypervisor.domains()) {
      for (int i = 0; i < domain.vcpus(); i++) {
        count += cpupool.pool().equals(Optional.of(domain.vcpu(i).unit().pool())) ? 1 : 0;
      }
    }
    return count;
  }

  /** With the lock of the pools, so that no vCPU comes meanwhile. */
  void removePcpu(Cpupools.Cpupool cpupool, int pcpu) {
    cpupools.removePcpu(cpupool, pcpu, vcpus(cpupool));
  }

  @Override
  public List<Integer> freePcpus() {
    poolGate();
    return Arrays.stream(hypervisor.dispatcher().freePcpus()).boxed().toList();
  }

  @Override
  public void createPool(String name, String scheduler, Map<String, String> parameters) {
    poolGate();
    require(!name.isBlank(), "name", name, "not empty");
    SchedulerFactory factory = scheduler(scheduler);
    SchedParameters checked = checked(factory, parameters);
    whilePoolsStay(() -> cpupools.create(Cpupools.ANY, name, factory, checked.asMap()));
  }

  /**
   * Makes a cpupool by the numbers of the ABI.
   *
   * @param wanted its number, or {@link Cpupools#ANY}
   * @return its number
   */
  int createPool(int wanted, int schedulerId) {
    poolGate();
    SchedulerFactory first = cpupools.all().getFirst().scheduler();
    SchedulerFactory factory =
        DomctlLayout.schedulerId(first.name()) == schedulerId
            ? first
            : schedulers.values().stream()
                .filter(other ->
                    schedulerId != 0 && DomctlLayout.schedulerId(other.name()) == schedulerId)
                .findFirst()
                .orElseThrow(() ->
                    new HypercallException(
                        Errno.ENOENT, "no such scheduler: sched_id=" + schedulerId));
    return cpupools.create(wanted, "", factory, checked(factory, Map.of()).asMap()).id();
  }

  @Override
  public void destroyPool(String name) {
    poolGate();
    whilePoolsStay(() -> cpupools.destroy(pool(name)));
  }

  @Override
  public void renamePool(String name, String newName) {
    poolGate();
    require(!newName.isBlank(), "name", newName, "not empty");
    whilePoolsStay(() -> cpupools.rename(pool(name), newName));
  }

  @Override
  public void addPcpu(String name, int pcpu) {
    poolGate();
    require(pcpu >= 0, "pcpu", pcpu, "the number of a free one");
    whilePoolsStay(() -> cpupools.addPcpu(pool(name), pcpu));
  }

  @Override
  public void removePcpu(String name, int pcpu) {
    poolGate();
    require(pcpu >= 0, "pcpu", pcpu, "the number of one of the pool's");
    whilePoolsStay(() -> removePcpu(pool(name), pcpu));
  }

  @Override
  public void moveDomain(int domid, String name) {
    poolGate();
    whilePoolsStay(() -> move(domid, pool(name)));
  }

  /** With the lock of the pools. */
  void move(int domid, Cpupools.Cpupool target) {
    Domain domain = hypervisor.domain(domid);
    if (domain == null) {
      throw noSuchDomain(domid);
    }
    List<DispatchUnit> units = new ArrayList<>();
    for (int i = 0; i < domain.vcpus(); i++) {
      units.add(domain.vcpu(i).unit());
    }
    cpupools.move(units, target);
  }

  private void whilePoolsStay(Runnable change) {
    cpupools.lock();
    try {
      change.run();
    } finally {
      cpupools.unlock();
    }
  }

  @Override
  public void setAffinity(int domid, int vcpu, CpuMask hard, CpuMask soft) {
    DispatchUnit unit = unit(domid, vcpu, DomctlLayout.SET_VCPU_AFFINITY);
    change(unit, unit.params().withAffinity(hard).withSoftAffinity(soft));
  }

  @Override
  public void setVcpuParameters(int domid, int vcpu, Map<String, String> parameters) {
    DispatchUnit unit = unit(domid, vcpu, DomctlLayout.SCHEDULER_OP);
    SchedulerFactory factory = unit.pool().scheduler();
    UnitParams before = unit.params();
    SchedParameters checked;
    try {
      checked =
          SchedParameters.checkUnit(
              factory, parameters, before.given(factory.name()), schedulers.values());
    } catch (IllegalArgumentException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    }
    change(unit, before.withParameters(factory.name(), checked));
  }

  private DispatchUnit unit(int domid, int vcpu, int command) {
    Domain domain = target(command, domid);
    require(vcpu >= 0 && vcpu < domain.vcpus(), "vcpu", vcpu, "0 to " + (domain.vcpus() - 1));
    return domain.vcpu(vcpu).unit();
  }

  private static void change(DispatchUnit unit, UnitParams params) {
    try {
      unit.params(params);
    } catch (IllegalArgumentException noneOfThePool) {
      throw new HypercallException(Errno.EINVAL, noneOfThePool.getMessage());
    }
  }

  @Override
  public void setShare(int domid, int weight, int cap) {
    requireShare(weight, cap);
    target(DomctlLayout.SCHEDULER_OP, domid).setShare(weight, cap);
    hypervisor.settle();
  }

  @Override
  public SwapResult swapScheduler(
      String poolName, String scheduler, Map<String, String> parameters) {
    poolGate();
    SchedulerFactory factory = scheduler(scheduler);
    SchedParameters checked = checked(factory, parameters);
    cpupools.lock();
    try {
      Pool pool =
          pool(poolName)
              .pool()
              .orElseThrow(() ->
                  new HypercallException(
                      Errno.EBUSY, "the cpupool has no pCPU; give it one first: pool=" + poolName));
      SwapReport report = Cpupools.settled(pool.swap(factory, checked));
      return new SwapResult(report.from(), report.to(), report.units(), report.pauseNanos());
    } catch (IllegalArgumentException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    } finally {
      cpupools.unlock();
      hypervisor.settle();
    }
  }

  private SchedulerFactory scheduler(String name) {
    SchedulerFactory factory = schedulers.get(name);
    require(factory != null, "scheduler", name, "one of " + schedulers.keySet());
    return factory;
  }

  private SchedParameters checked(SchedulerFactory factory, Map<String, String> parameters) {
    try {
      return SchedParameters.check(factory, parameters, schedulers.values());
    } catch (IllegalArgumentException refused) {
      throw new HypercallException(Errno.EINVAL, refused.getMessage());
    }
  }

  // ---- checks

  /** Throws unless the caller may do something to a domain, or to the machine. */
  void gate(Operation operation, int target, long detail) {
    if (!may(operation, target, detail)) {
      throw new HypercallException(
          Errno.EPERM,
          "domain %d may not: operation=%s target=%d detail=%d"
              .formatted(caller, operation, target, detail));
    }
  }

  private boolean may(Operation operation, int target, long detail) {
    int result = hypervisor.access().check(operation, caller, target, detail);
    counters.ifPresent(c -> c.count(hypercall(operation), detail, result));
    return result == 0;
  }

  /** The hypercall by which a guest does the same. */
  private static int hypercall(Operation operation) {
    return switch (operation) {
      case MAP_FRAMES -> HypercallNumber.MMU_UPDATE;
      case CHANGE_TABLES -> HypercallNumber.MMUEXT_OP;
      case ADJUST_MEMORY, QUERY_MEMORY -> HypercallNumber.MEMORY_OP;
      case EVENT_CHANNELS -> HypercallNumber.EVENT_CHANNEL_OP;
      case GRANT_TABLE -> HypercallNumber.GRANT_TABLE_OP;
      case REMOTE_SHUTDOWN -> HypercallNumber.SCHED_OP;
      case SYSCTL -> HypercallNumber.SYSCTL;
      case PLATFORM_OP -> HypercallNumber.PLATFORM_OP;
      case CONSOLE_IO -> HypercallNumber.CONSOLE_IO;
      case DOMCTL, IO_MEMORY, IO_PORTS -> HypercallNumber.DOMCTL;
      case PHYSICAL_INTERRUPTS, PCI_BUS -> HypercallNumber.PHYSDEV_OP;
      case ACCESS_POLICY -> HypercallNumber.XSM_OP;
    };
  }

  /** The domain that a domctl is about, if the caller may. */
  Domain target(int command, int domid) {
    return target(Operation.DOMCTL, domid, command);
  }

  /** The same where it may be a service domain. */
  Domain anyTarget(int command, int domid) {
    Domain domain = hypervisor.anyDomain(domid);
    if (domain == null) {
      throw noSuchDomain(domid);
    }
    gate(Operation.DOMCTL, domid, command);
    return domain;
  }

  private Domain target(Operation operation, int domid) {
    return target(operation, domid, 0);
  }

  private Domain target(Operation operation, int domid, long detail) {
    Domain domain = hypervisor.domain(domid);
    if (domain == null) {
      throw noSuchDomain(domid);
    }
    gate(operation, domid, detail);
    return domain;
  }

  private static HypercallException noSuchDomain(int domid) {
    return new HypercallException(Errno.ESRCH, "no such domain: domid=" + domid);
  }

  /** Writes the stubs by which a guest makes hypercalls into one of a domain's frames. */
  void initHypercallPage(int domid, long mfn) {
    Domain domain = target(DomctlLayout.HYPERCALL_INIT, domid);
    require(
        domain.mmu().machine().writeHypercallPage(domid, mfn),
        "mfn",
        mfn,
        "a frame of the domain's, and no table");
  }

  /** The cpupools by their numbers. */
  Cpupools cpupools() {
    return cpupools;
  }

  /** What has to wait for pCPUs on behalf of vCPUs. */
  Errands errands() {
    return errands;
  }

  /** Ends the thread that runs errands. */
  public void close() {
    errands.close();
  }

  /** The engine that runs a domain if none is named. */
  String usualEngine() {
    return engines.keySet().iterator().next();
  }

  Hypervisor hypervisor() {
    return hypervisor;
  }

  private Cpupools.Cpupool pool(String name) {
    return cpupools.byName(name);
  }

  private static void requireShare(int weight, int cap) {
    require(weight >= 1 && weight <= MAX_WEIGHT, "weight", weight, "1 to " + MAX_WEIGHT);
    require(cap >= 0, "cap", cap, "0 for none, or percent of one pCPU");
  }

  private static void require(boolean holds, String name, Object value, String right) {
    if (!holds) {
      throw new HypercallException(
          Errno.EINVAL, "argument out of range: %s=%s, should be %s".formatted(name, value, right));
    }
  }

  private static int check(int result, String message, Object... arguments) {
    if (result < 0) {
      throw new HypercallException(-result, message.formatted(arguments));
    }
    return result;
  }
}

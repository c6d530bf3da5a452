package dev.domus.kernel;

import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.UnitSettings;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.console.MachineConsole;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.cpuid.CpuidPolicy;
import dev.domus.kernel.dispatch.DispatchUnit;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.dispatch.Pool;
import dev.domus.kernel.dispatch.UnitParams;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.EventDomains;
import dev.domus.kernel.event.GlobalVirqs;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.grant.GrantMachine;
import dev.domus.kernel.grant.GrantTable;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.io.DomainIo;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.io.IoRights;
import dev.domus.kernel.io.IoSpace;
import dev.domus.kernel.mmu.FrameReferences;
import dev.domus.kernel.mmu.FrameTransfers;
import dev.domus.kernel.mmu.MachineFrames;
import dev.domus.kernel.mmu.Mmu;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.kernel.mmu.TransferableFrames;
import dev.domus.kernel.passthrough.Assignments;
import dev.domus.kernel.passthrough.DomainDevices;
import dev.domus.kernel.passthrough.MachineIommu;
import dev.domus.kernel.pci.Patience;
import dev.domus.kernel.pci.PciBus;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.pci.RemappedDma;
import dev.domus.kernel.time.Clock;
import dev.domus.kernel.time.TimerQueue;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.kernel.trace.ring.Tracer;
import dev.domus.kernel.xsm.AccessControl;
import dev.domus.kernel.xsm.PrivilegedDomains;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.FrameTable;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.MachineToPhys;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;

/**
 * The machine: its memory, its domains, and the parts that all of them share. One at a time in a
 * process.
 *
 * <p>Machine frames are laid out once: frame 0 is never used, then the M2P table, then what the
 * allocator hands out. Domains are kept by id; ids are given out in rising order and not reused
 * while the machine runs, as on Xen until they wrap. Thread-safe.
 */
public final class Hypervisor implements EngineMachine, EventDomains, AutoCloseable {
  private static final long FIRST_FRAME = 1;
  private static final long PORTS = 1 << 16;

  /** The frame number of an entry whose address bits are all ones, which is not a frame. */
  private static final long NO_FRAME = Pte.ADDRESS_MASK >>> MachineMemory.FRAME_SHIFT;

  /** Frames that an idle pCPU zeroes before it looks for work again: about a microsecond. */
  private static final int SCRUB_PIECE = 8;

  private final MachineMemory machineMemory;
  private final FrameTable frameTable;
  private final MachineToPhys machineToPhys;
  private final FrameAllocator allocator;
  private final CodeFrames codeFrames;
  private final Optional<VirtualClock> virtualClock;
  private final Clock clock;
  private final TimerQueue timerQueue;
  private final HypercallTable hypercalls;
  private final CpuidPolicy cpuidPolicy = new CpuidPolicy();
  private final MachineFrames machineFrames;
  private final Dispatcher dispatcher;
  private final ConcurrentHashMap<Integer, Domain> domains = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<Integer, Domain> serviceDomains = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<Integer, Domain> dying = new ConcurrentHashMap<>();
  private volatile IntConsumer serviceEnd = domid -> {};
  private final MachineConsole console = new MachineConsole();
  private final GlobalVirqs virqs = new GlobalVirqs(this);
  private volatile DomainControl control;
  private final DomainIds ids = new DomainIds(this::isInUse);
  private final AccessControl access =
      new AccessControl(
          new PrivilegedDomains(this::isPrivileged, this::hearsOfEnds), this::expectForeignChanges);
  private volatile boolean foreignChanges;
  private final IoSpace ioMemory;
  private final IoSpace ioPorts = new IoSpace(0, 0, PORTS);
  private final MachineIommu iommu;
  private final PciBus pciBus;
  private final Assignments assignments;

  /**
   * Makes a machine without domains.
   *
   * @param memoryBytes machine memory
   * @param dispatcher the pools; closed with the machine
   */
  public Hypervisor(long memoryBytes, HypercallTable hypercalls, Dispatcher dispatcher) {
    this(memoryBytes, MachineMemory.HugePages.HOST_POLICY, hypercalls, dispatcher);
  }

  /**
   * Makes a machine without domains.
   *
   * @param memoryBytes machine memory
   * @param hugePages whether the host is asked for huge pages
   * @param dispatcher the pools; closed with the machine
   */
  public Hypervisor(
      long memoryBytes,
      MachineMemory.HugePages hugePages,
      HypercallTable hypercalls,
      Dispatcher dispatcher) {
    this.hypercalls = hypercalls;
    this.dispatcher = dispatcher;
    virtualClock =
        dispatcher.clock() instanceof VirtualClock virtual
            ? Optional.of(virtual)
            : Optional.empty();
    clock =
        new Clock(
            dispatcher.clock(), virtualClock.map(VirtualClock::wallClock).orElseGet(Instant::now));
    timerQueue =
        virtualClock.map(VirtualClock::timers).orElseGet(() -> new TimerQueue(dispatcher.clock()));
    machineMemory = MachineMemory.reserve(memoryBytes, hugePages);
    ioMemory = new IoSpace(MachineMemory.FRAME_SHIFT, machineMemory.frames(), NO_FRAME);
    frameTable = new FrameTable(machineMemory.frames());
    machineToPhys = new MachineToPhys(machineMemory, frameTable, FIRST_FRAME);
    allocator = new FrameAllocator(machineMemory, frameTable, machineToPhys.endFrame());
    codeFrames = new CodeFrames((int) machineMemory.frames());
    machineFrames =
        new MachineFrames(machineMemory, frameTable, machineToPhys, allocator, codeFrames);
    iommu = new MachineIommu(this::makeIommu, this::watchFaults);
    pciBus =
        new PciBus(
            ioMemory,
            id -> new RemappedDma(id, iommu.unit(), domid -> iommu.space(domid, id)),
            Patience.DEFAULT,
            this::deviceFailed);
    assignments = new Assignments(pciBus, iommu, this::anyDomain, this::allDomains);
    if (virtualClock
        .isEmpty()) { // how much gets done depends on the host, and so would who gets what
      dispatcher.setIdleWork(() -> allocator.hasDirty() && allocator.scrub(SCRUB_PIECE) != 0);
    }
  }

  // ---- parts

  @Override
  public MemorySegment memory() {
    return machineMemory.segment();
  }

  @Override
  public long frames() {
    return machineMemory.frames();
  }

  @Override
  public CodeFrames codeFrames() {
    return codeFrames;
  }

  @Override
  public long tscHz() {
    return Clock.TSC_HZ;
  }

  /** All frames, as domains use them. */
  public MachineFrames machineFrames() {
    return machineFrames;
  }

  /** System time. */
  public Clock clock() {
    return clock;
  }

  /** What the clock goes by on a deterministic machine. */
  public Optional<VirtualClock> virtualClock() {
    return virtualClock;
  }

  /**
   * To be called after a change of what may run, by whoever made it: on a deterministic machine
   * what follows from it happens before the next such change.
   */
  public void settle() {
    virtualClock.ifPresent(VirtualClock::settle);
  }

  /** The timers of all vCPUs. */
  public TimerQueue timerQueue() {
    return timerQueue;
  }

  /** The hypercalls. */
  public HypercallTable hypercalls() {
    return hypercalls;
  }

  /** The processor that guests see. */
  public CpuidPolicy cpuidPolicy() {
    return cpuidPolicy;
  }

  /** The machine's I/O memory and ports as far as a domain may reach them. */
  public DomainIo domainIo(IoRights rights) {
    return new DomainIo(ioMemory, ioPorts, rights);
  }

  /** The PCI functions of the machine, and who has them. */
  public Assignments assignments() {
    return assignments;
  }

  /** What a domain has of physical devices, which is nothing yet. */
  public DomainDevices domainDevices(int domid, EventChannels events) {
    return new DomainDevices(domid, events, iommu);
  }

  private IommuUnit makeIommu() {
    UnitSettings usual = UnitSettings.usual();
    return new IommuUnit(
        machineMemory,
        frameTable,
        allocator,
        codeFrames,
        assignments.drivers().mayPassThrough() ? usual.withPassThrough() : usual);
  }

  private AutoCloseable watchFaults(IommuUnit unit) {
    return Assignments.watch(unit.faults(), pciBus, this::anyDomain);
  }

  /** Tells whoever looks after domains: one of them may have lost a device. Any thread. */
  private void deviceFailed(PciFunction function) {
    virqs.raise(Virq.DOM_EXC);
  }

  /** What a service domain claims of I/O memory and ports, which is nothing yet. */
  public IoClaims ioClaims(int domid) {
    return new IoClaims(domid, access, ioMemory, ioPorts);
  }

  /** Who may do what to whom. */
  public AccessControl access() {
    return access;
  }

  /**
   * Says whether a domain's page tables may be changed and its TLBs flushed by another domain's
   * vCPU. Until they may, a vCPU that has no siblings need not say when it uses a translation.
   */
  public boolean foreignChanges() {
    return foreignChanges;
  }

  /**
   * From now on domains may change one another's tables: returns when every vCPU knows, because it
   * has been off its pCPU since.
   */
  private synchronized void expectForeignChanges() {
    if (!foreignChanges) {
      foreignChanges = true;
      for (Domain domain : domains.values()) {
        domain.pause();
        domain.unpause();
      }
    }
  }

  private boolean isPrivileged(int domid) {
    if (domid == 0) {
      return true;
    }
    Domain domain = anyDomain(domid);
    return domain != null && domain.spec().privileged();
  }

  private boolean hearsOfEnds(int domid) {
    return virqs.handler(Virq.DOM_EXC) == domid;
  }

  /** What is written to the machine's console. */
  public MachineConsole console() {
    return console;
  }

  /** The control interface, in domain 0's name. */
  public DomainControl control() {
    return control;
  }

  /** Sets the control interface; once, before the first domain is made. */
  public void setControl(DomainControl newControl) {
    control = newControl;
  }

  /** The pools. */
  public Dispatcher dispatcher() {
    return dispatcher;
  }

  /** The trace of what happens on it. */
  @Override
  public Tracer tracer() {
    return dispatcher.tracer();
  }

  // ---- domains

  /** The ids of domains. */
  public DomainIds ids() {
    return ids;
  }

  private boolean isInUse(int domid) {
    return exists(domid) || machineFrames.isOwner(domid);
  }

  /** A guest domain, or null. */
  public Domain domain(int domid) {
    return domains.get(domid);
  }

  /** A guest or service domain, or null. */
  public Domain anyDomain(int domid) {
    Domain domain = domains.get(domid);
    return domain != null ? domain : serviceDomains.get(domid);
  }

  /** A service domain, or null. */
  public Domain serviceDomain(int domid) {
    return serviceDomains.get(domid);
  }

  /** All service domains, by id. */
  public List<Domain> serviceDomains() {
    List<Domain> all = new ArrayList<>(serviceDomains.values());
    all.sort(Comparator.comparingInt(Domain::domid));
    return all;
  }

  /** All guest domains, by id. */
  public List<Domain> domains() {
    List<Domain> all = new ArrayList<>(domains.values());
    all.sort(Comparator.comparingInt(Domain::domid));
    return all;
  }

  private List<Domain> allDomains() {
    List<Domain> all = serviceDomains();
    all.addAll(domains());
    return all;
  }

  /**
   * Makes a paused guest domain with a shared info page and without memory.
   *
   * @param domid claimed of {@link #ids}
   * @return the domain, or nothing if there is no memory for its shared info page
   */
  public Optional<Domain> createDomain(int domid, DomainSpec spec, Engine engine) {
    if (spec.privileged()) {
      expectForeignChanges();
    }
    Optional<Domain> made = Domain.create(this, domid, spec, engine);
    made.ifPresent(domain -> {
      initialiseSharedInfo(domain.sharedInfo(), spec.vcpus());
      domain.enterPool();
      domains.put(domid, domain);
    });
    return made;
  }

  /**
   * Makes a service domain with a shared info page and without other memory, and lets others see
   * it.
   *
   * @param domid claimed of {@link #ids}, or 0
   * @param spec without vCPUs
   * @param events its ports
   * @return the domain, or nothing if there is no memory for its shared info page
   */
  public Optional<Domain> createServiceDomain(int domid, DomainSpec spec, ServiceEvents events) {
    Optional<Domain> made = Domain.createService(this, domid, spec, events);
    made.ifPresent(domain -> {
      initialiseSharedInfo(domain.sharedInfo(), spec.vcpus());
      serviceDomains.put(domid, domain);
    });
    return made;
  }

  /** Says who ends service domains when the control interface is asked to. */
  public void onServiceEnd(IntConsumer ending) {
    serviceEnd = ending;
  }

  /** Ends a service domain and what runs in it. */
  public void endServiceDomain(int domid) {
    serviceEnd.accept(domid);
  }

  /**
   * Takes a service domain apart. Its threads make no hypercalls any more, its event thread has
   * ended, and it has no windows on others' memory.
   */
  public void removeServiceDomain(Domain domain) {
    dying.put(domain.domid(), domain);
    serviceDomains.remove(domain.domid(), domain);
    destroyDomain(domain.domid());
  }

  private void initialiseSharedInfo(long page, int vcpus) {
    for (int i = 0; i < SharedInfoLayout.LEGACY_VCPUS; i++) {
      long info = page + (long) i * SharedInfoLayout.VCPU_INFO_SIZE;
      memory().set(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_MASK, (byte) 1);
      if (i < vcpus) {
        clock.writeTimeInfo(memory(), info + SharedInfoLayout.TIME);
      }
    }
    clock.writeWallClock(memory(), page);
  }

  /**
   * Takes a domain apart; does nothing if it has gone. Returns when its frames are free and the
   * host has the memory behind them back.
   */
  public void destroyDomain(int domid) {
    destroyDomain(domid, () -> false);
  }

  /**
   * Takes a domain apart, in portions: as long as it is not done, the domain is {@link #dying}.
   *
   * @param mustStop asked now and then whether to return before everything is done
   * @return whether everything is done, or was before
   */
  public boolean destroyDomain(int domid, BooleanSupplier mustStop) {
    Domain domain = domains.get(domid);
    if (domain != null) {
      dying.put(domid, domain); // before it is no more a living one: somebody may be looking for it
      domains.remove(domid, domain);
      virqs.forget(domid);
    } else {
      domain = dying.get(domid);
    }
    if (domain == null) {
      return true;
    }
    boolean done = domain.destroy(mustStop);
    if (done) {
      dying.remove(domid, domain);
      virqs.raise(Virq.DOM_EXC);
      dispatcher.offerIdleWork(); // what was too small to go back to the host is zeroed now
    }
    return done;
  }

  /** A domain that is being taken apart, or null. */
  public Domain dying(int domid) {
    return dying.get(domid);
  }

  /** Says whether there is a domain of that id, guest or service, living or dying. */
  public boolean exists(int domid) {
    return domid == 0
        || domains.containsKey(domid)
        || dying.containsKey(domid)
        || serviceDomains.containsKey(domid);
  }

  /** A domain has shut down: tells whoever handles that. */
  public void domainShutDown(Domain domain) {
    virtualClock.ifPresent(VirtualClock::domainEnded);
    int port = domain.settings().suspendPort();
    boolean awaited = domain.shutdownReason() == DomainInfo.SUSPEND && port != 0;
    if (!awaited || domain.events().send(port) != 0) {
      virqs.raise(Virq.DOM_EXC);
    }
  }

  /** The virtual interrupts of the machine. */
  public GlobalVirqs virqs() {
    return virqs;
  }

  /** Gives a vCPU to a pool, which must exist; it is offline until woken. */
  public DispatchUnit dispatch(Vcpu v, String pool, int weight, int cap) {
    Pool target = dispatcher.pool(pool).orElseThrow();
    return target.add(
        v, v.domain().domid(), v.id(), UnitParams.DEFAULT.withWeight(weight).withCap(cap));
  }

  // ---- what event channels and grant tables need of one another

  @Override
  public Optional<EventChannels> events(int domid) {
    return Optional.ofNullable(anyDomain(domid)).map(Domain::events);
  }

  @Override
  public boolean mayControl(int callerDomid, int targetDomid) {
    return access.check(Operation.EVENT_CHANNELS, callerDomid, targetDomid, 0) == 0;
  }

  @Override
  public FrameReferences frameReferences() {
    return machineFrames;
  }

  /** The machine as the grant table of a domain sees it. */
  public GrantMachine grantMachine(Mmu mmu, Optional<Physmap> physmap) {
    return new GrantView(mmu, physmap);
  }

  /** The machine as grants see it; the frames of a grant table come from its domain's MMU. */
  private final class GrantView implements GrantMachine {
    private final Mmu mmu;
    private final Optional<Physmap> physmap;
    private final TransferableFrames transfers;

    GrantView(Mmu mmu, Optional<Physmap> physmap) {
      this.mmu = mmu;
      this.physmap = physmap;
      transfers = new FrameTransfers(mmu, physmap);
    }

    @Override
    public long frame(long number, boolean writable) {
      return physmap.isPresent() ? physmap.get().frame(number, writable) : number;
    }

    @Override
    public long number(long mfn) {
      return physmap.isPresent() ? physmap.get().number(mfn) : mfn;
    }

    @Override
    public void written(long number) {
      if (physmap.isPresent()) {
        physmap.get().written(number);
      }
    }

    @Override
    public Optional<GrantTable> grants(int domid) {
      Domain domain = anyDomain(domid);
      return domain == null ? Optional.empty() : domain.grants().found();
    }

    @Override
    public boolean mayControl(int callerDomid, int targetDomid) {
      return access.check(Operation.GRANT_TABLE, callerDomid, targetDomid, 0) == 0;
    }

    @Override
    public MemorySegment memory() {
      return Hypervisor.this.memory();
    }

    @Override
    public CodeFrames codeFrames() {
      return codeFrames;
    }

    @Override
    public FrameReferences frameReferences() {
      return machineFrames;
    }

    @Override
    public TransferableFrames frames() {
      return transfers;
    }

    @Override
    public boolean openToDevices(long mfn, boolean writable) {
      return physmap.isPresent() || mmu.openGranted(mfn, writable);
    }

    @Override
    public void withdrawFromDevices(long mfn, boolean writable) {
      if (physmap.isEmpty()) { // a service domain's driver registers what its devices reach
        mmu.withdrawGranted(mfn, writable);
      }
    }

    @Override
    public boolean isSpecialMapped(long mfn) {
      return mmu.isSpecialMapped(mfn);
    }

    @Override
    public long allocateSpecial(int domid) {
      return mmu.allocateSpecial();
    }

    @Override
    public void freeSpecial(long mfn) {
      mmu.freeSpecial(mfn);
    }
  }

  /** Destroys all guest domains. */
  public void destroyDomains() {
    for (Domain domain : domains()) {
      destroyDomain(domain.domid());
    }
    for (Domain domain : List.copyOf(dying.values())) { // one that a guest has begun to take apart
      destroyDomain(domain.domid());
    }
  }

  /** Stops the pCPUs and the timers and gives the memory back. */
  @Override
  public void close() {
    destroyDomains();
    pciBus.close();
    iommu.close();
    if (control != null) {
      control.close();
    }
    dispatcher.close();
    timerQueue.close();
    access.close();
    frameTable.close();
    machineMemory.close();
  }
}

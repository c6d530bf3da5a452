package dev.domus.kernel.domain;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.event.EventTarget;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.grant.GrantTable;
import dev.domus.kernel.hypercall.HypercallCounters;
import dev.domus.kernel.io.DomainIo;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.kernel.mmu.Mmu;
import dev.domus.kernel.mmu.Physmap;
import dev.domus.kernel.passthrough.DomainDevices;
import dev.domus.kernel.trap.VmAssist;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * A domain: a guest, or a service domain, whose code is Java.
 *
 * <h2>Service domains</h2>
 *
 * <p>They are translated: their numbers for frames are guest-physical, behind a {@link Physmap}.
 * They have no vCPUs that anybody dispatches. What their threads make hypercalls as is a {@link
 * #caller}: a vCPU that never runs guest code and has its arguments in a buffer of the Java heap.
 * All else, frames, ports, grants, limits, counters, is what a guest has.
 *
 * <h2>Life cycle</h2>
 *
 * <pre>
 *   create → PAUSED (a pause count of one) → unpause → RUNNING ⇄ PAUSED
 *                                                │ sched_op shutdown, crash, Control.shutdown
 *                                                ▼
 *                                            SHUTDOWN → destroy → DYING → gone
 * </pre>
 *
 * <p>A domain that has shut down keeps its memory, so that it can be looked at. Destroying takes
 * the parts down in the order in which they refer to one another: vCPUs off their pCPUs, devices
 * taken back, ports closed, grants unmapped, page tables devalidated, frames freed.
 *
 * <p>Fields are changed under {@link #lifeLock}; the run loop reads {@link #mayRun} without it.
 */
public final class Domain implements EventTarget {
  /** Free blocks from 64 KiB on go back to the host when a domain goes. */
  private static final int SMALLEST_ORDER_TO_HOST = 4;

  private static final int NOBODY = -1;

  /** How many hypercalls of a service domain may be under way at once. */
  public static final int CALLERS = 8;

  private final Hypervisor hypervisor;
  private final int domid;
  private final DomainSpec spec;
  private final long sharedInfo;
  private final VcpuSet allVcpus;
  private final Vcpu[] vcpus;
  private final EventChannels events;
  private final GrantTable grants;
  private final DomainDevices devices;
  private final Mmu mmu;
  private final Optional<Physmap> physmap;
  private final Optional<ServiceEvents> service;
  private final DomainIo io;
  private final Watchdogs watchdogs;
  private final HypercallCounters counters;
  private final AtomicLong vmAssist = new AtomicLong();
  private final ReentrantLock lifeLock = new ReentrantLock();
  private final ReentrantLock teardownLock = new ReentrantLock();

  /** How far taking it apart has come. Guarded by the teardown lock. */
  private boolean stopped, relinquished;

  /** Where giving memory back to the host goes on. Guarded by the teardown lock. */
  private int hostRegion;

  private volatile int pauseCount = 1;
  private volatile boolean alive = true;
  private volatile boolean dying;
  private volatile int shutdownReason = -1;

  /** What SCHEDOP_shutdown_code said, or −1. Under {@link #lifeLock}. */
  private int presetReason = -1;

  private volatile int weight, cap;
  private volatile String crashReport;
  private volatile UUID handle;

  /**
   * Makes a paused domain with a shared info page and no other memory.
   *
   * @return the domain, or nothing if there is no frame for the page
   */
  public static Optional<Domain> create(
      Hypervisor hypervisor, int domid, DomainSpec spec, Engine engine) {
    return withSharedInfo(new Domain(hypervisor, domid, spec, engine, Optional.empty()));
  }

  /**
   * Makes a service domain with a shared info page and no other memory.
   *
   * @param spec without vCPUs
   * @param events its ports, and the thread that handles them
   * @return the domain, or nothing if there is no frame for the page
   */
  public static Optional<Domain> createService(
      Hypervisor hypervisor, int domid, DomainSpec spec, ServiceEvents events) {
    return withSharedInfo(
        new Domain(hypervisor, domid, spec, ServiceCode.ENGINE, Optional.of(events)));
  }

  private static Optional<Domain> withSharedInfo(Domain domain) {
    if (domain.sharedInfo < 0) {
      domain.mmu.relinquish(new Vcpu[0]);
      return Optional.empty();
    }
    return Optional.of(domain);
  }

  private Domain(
      Hypervisor hypervisor,
      int domid,
      DomainSpec spec,
      Engine engine,
      Optional<ServiceEvents> service) {
    this.service = service;
    this.hypervisor = hypervisor;
    this.domid = domid;
    this.spec = spec;
    handle = spec.uuid();
    counters = new HypercallCounters(hypervisor.hypercalls());
    mmu =
        new Mmu(hypervisor.machineFrames(), domid, spec.maxPages(), spec.vcpus(), this::invalidate);
    physmap = service.map(events -> new Physmap(mmu, hypervisor.codeFrames()));
    io = hypervisor.domainIo(mmu.io());
    sharedInfo = mmu.allocateSpecial() << MachineMemory.FRAME_SHIFT;
    weight = spec.weight();
    cap = spec.cap();
    watchdogs = new Watchdogs(this, hypervisor.timerQueue(), hypervisor.clock());
    events =
        service.map(ServiceEvents::channels).orElseGet(() -> new EventChannels(this, hypervisor));
    grants =
        new GrantTable(
            domid,
            service.isPresent() ? CALLERS : spec.vcpus(),
            hypervisor.grantMachine(mmu, physmap));
    devices = hypervisor.domainDevices(domid, events);
    allVcpus = VcpuSet.all(spec.vcpus());
    vcpus = new Vcpu[spec.vcpus()];
    for (int i = 0; i < vcpus.length; i++) {
      vcpus[i] = new Vcpu(this, i, engine);
    }
  }

  // ---- identity and parts

  /** The machine. */
  public Hypervisor hypervisor() {
    return hypervisor;
  }

  @Override
  public int domid() {
    return domid;
  }

  /** What it was made with. */
  public DomainSpec spec() {
    return spec;
  }

  /** Its handle, a number that the toolstack gave it. */
  public UUID handle() {
    return handle;
  }

  /** Changes its handle. */
  public void setHandle(UUID newHandle) {
    handle = newHandle;
  }

  /** Says whether somebody has paused it and not taken that back. */
  public boolean paused() {
    return pauseCount != 0;
  }

  /** Its event channels. */
  public EventChannels events() {
    return events;
  }

  /** Its grant table. */
  public GrantTable grants() {
    return grants;
  }

  /** Its physical devices. */
  public DomainDevices devices() {
    return devices;
  }

  /** Its page tables and frames. */
  public Mmu mmu() {
    return mmu;
  }

  /** The guest-physical map of a translated domain. */
  public Optional<Physmap> physmap() {
    return physmap;
  }

  /** Where grants of others are mapped: in page tables, or in the guest-physical map. */
  public GrantEntries grantEntries() {
    return physmap.isPresent() ? physmap.get().grantEntries() : mmu.grantEntries();
  }

  /** Says whether its code is Java. */
  public boolean isService() {
    return service.isPresent();
  }

  /**
   * Makes what one thread at a time makes this service domain's hypercalls as.
   *
   * @param id below {@link #CALLERS}, each once
   * @param arguments where they find their arguments, from {@link ArgumentAccess#BASE} on
   */
  public Vcpu caller(int id, MemorySegment arguments) {
    return new Vcpu(this, id, ServiceCode.ENGINE, Optional.of(arguments));
  }

  /** The I/O memory and ports that it may reach. */
  public DomainIo io() {
    return io;
  }

  /** Its watchdog timers. */
  public Watchdogs watchdogs() {
    return watchdogs;
  }

  /** Its hypercall statistics. */
  public HypercallCounters counters() {
    return counters;
  }

  /** A vCPU, or null if there is none of that number. */
  public Vcpu vcpu(int id) {
    return id >= 0 && id < vcpus.length ? vcpus[id] : null;
  }

  /** Says whether a vm_assist is on. */
  public boolean assist(int type) {
    return (vmAssist.get() >>> type & 1) != 0;
  }

  /**
   * Switches a vm_assist.
   *
   * @return whether there was memory for what it takes
   */
  public boolean setAssist(int type, boolean on) {
    if (on && type == VmAssist.WRITABLE_PAGETABLES) {
      for (Vcpu v : vcpus) {
        if (!v.writablePageTables().prepare()) {
          return false;
        }
      }
    }
    vmAssist.updateAndGet(bits -> on ? bits | 1L << type : bits & ~(1L << type));
    return true;
  }

  /** Scheduling weight. */
  public int weight() {
    return weight;
  }

  /** Cap in percent of one pCPU, 0 for none. */
  public int cap() {
    return cap;
  }

  /** Changes weight and cap of all vCPUs. */
  public void setShare(int newWeight, int newCap) {
    weight = newWeight;
    cap = newCap;
    for (Vcpu v : vcpus) {
      v.unit().params(v.unit().params().withWeight(newWeight).withCap(newCap));
    }
  }

  // ---- EventTarget

  @Override
  public int vcpus() {
    return vcpus.length;
  }

  @Override
  public long vcpuInfo(int vcpu) {
    return vcpus[vcpu].vcpuInfo();
  }

  @Override
  public long sharedInfo() {
    return sharedInfo;
  }

  @Override
  public void upcall(int vcpu) {
    vcpus[vcpu].notifyUpcall();
  }

  @Override
  public void portPending(int port) {
    for (Vcpu v : vcpus) {
      if (v.polledPorts().contains(port)) {
        v.wake();
      }
    }
  }

  // ---- TLB

  /**
   * Makes every vCPU of the domain that it concerns drop cached translations; see {@link
   * dev.domus.kernel.mmu.VcpuTranslations}.
   */
  public void invalidate(long invalidation) {
    invalidate(invalidation, allVcpus, NOBODY);
  }

  /** As {@link #invalidate(long)}, for some of the vCPUs; the others are not disturbed. */
  public void invalidate(long invalidation, VcpuSet set) {
    invalidate(invalidation, set, NOBODY);
  }

  /** As {@link #invalidate(long)}, for all vCPUs but one. */
  void invalidateOthers(long invalidation, Vcpu self) {
    invalidate(invalidation, allVcpus, self.id());
  }

  private void invalidate(long invalidation, VcpuSet set, int except) {
    for (Vcpu v : vcpus) {
      if (set.contains(v.id()) && v.id() != except && v.concernedBy(invalidation)) {
        v.requestInvalidation(invalidation);
      }
    }
    for (Vcpu v : vcpus) {
      if (set.contains(v.id()) && v.id() != except && v.concernedBy(invalidation)) {
        v.awaitInvalidation();
      }
    }
  }

  // ---- life cycle

  /** Says whether vCPUs may run: not shut down, not dying. Pauses are the dispatcher's to keep. */
  public boolean mayRun() {
    return alive;
  }

  /** Says whether the domain is being destroyed. */
  public boolean dying() {
    return dying;
  }

  /** The reason that the guest gave when it shut down, or −1. */
  public int shutdownReason() {
    return shutdownReason;
  }

  /** What the domain looked like when it crashed, or null. */
  public String crashReport() {
    return crashReport;
  }

  /** Hands the vCPUs to the dispatcher; each is paused once, like the domain. */
  public void enterPool() {
    for (Vcpu v : vcpus) {
      v.bind(hypervisor.dispatch(v, spec.pool(), weight, cap));
      v.unit().pause();
    }
  }

  /** Adds a pause; returns when no vCPU is on a pCPU. Not to be called by a vCPU's own thread. */
  public void pause() {
    lifeLock.lock();
    try {
      pauseCount++;
      for (Vcpu v : vcpus) {
        v.unit().pause(); // with the count: who takes the pause back finds both
      }
    } finally {
      lifeLock.unlock();
    }
    for (Vcpu v : vcpus) {
      v.unit().awaitOffCpu();
    }
  }

  /** Takes a pause back. Returns false if there was none. */
  public boolean unpause() {
    lifeLock.lock();
    try {
      if (pauseCount == 0) {
        return false;
      }
      pauseCount--;
      for (Vcpu v : vcpus) {
        v.unit().resume();
      }
    } finally {
      lifeLock.unlock();
    }
    return true;
  }

  /** How many vCPUs are up. */
  public int onlineVcpus() {
    int online = 0;
    for (Vcpu v : vcpus) {
      online += v.online() ? 1 : 0;
    }
    return online;
  }

  /**
   * SCHEDOP_shutdown_code: says beforehand why the domain will shut down, whatever is said then.
   * The first reason counts. Any thread.
   *
   * @param reason of {@link DomainInfo}; others count as a crash
   */
  public void presetShutdownReason(int reason) {
    lifeLock.lock();
    try {
      if (presetReason < 0) {
        presetReason = DomainInfo.isReason(reason) ? reason : DomainInfo.CRASH;
      }
    } finally {
      lifeLock.unlock();
    }
  }

  /**
   * Shuts the domain down: no vCPU runs again, and domain 0 is told. The first reason counts, one
   * that was preset before all. Any thread; does not wait for the vCPUs.
   */
  public void shutdown(int reason) {
    lifeLock.lock();
    try {
      if (shutdownReason >= 0 || dying) {
        return;
      }
      shutdownReason = presetReason >= 0 ? presetReason : reason;
      alive = false;
    } finally {
      lifeLock.unlock();
    }
    for (Vcpu v : vcpus) {
      v.preempt();
    }
    service.ifPresent(ServiceEvents::stop);
    hypervisor.domainShutDown(this);
  }

  /**
   * Crashes the domain, with a report of the vCPU at fault. Called by that vCPU's thread.
   *
   * @param why one line
   * @param bug the Java exception behind it if this is the hypervisor's or an engine's fault, else
   *     null
   */
  public void crash(Vcpu v, String why, Throwable bug) {
    if (shutdownReason < 0 && !dying) {
      crashReport = isService() ? why : CrashReport.of(v, why, bug);
    }
    shutdown(DomainInfo.CRASH);
  }

  /** A consistent-enough picture for listings. */
  public DomainInfo info() {
    long cpu = 0;
    long retired = 0;
    for (Vcpu v : vcpus) {
      cpu += v.unit().cpuTimeNanos();
      retired += v.state().retired;
    }
    DomainInfo.State state =
        dying
            ? DomainInfo.State.DYING
            : shutdownReason >= 0
                ? DomainInfo.State.SHUTDOWN
                : pauseCount == 0 ? DomainInfo.State.RUNNING : DomainInfo.State.PAUSED;
    return new DomainInfo(
        domid,
        handle,
        state,
        shutdownReason,
        mmu.pages(),
        mmu.maxPages(),
        vcpus.length,
        onlineVcpus(),
        vcpus.length == 0 ? "" : vcpus[0].unit().pool().name(),
        weight,
        cap,
        cpu,
        retired,
        sharedInfo >>> 12,
        devices.faults());
  }

  /**
   * Takes the domain apart, in portions. The hypervisor has removed it from its table. Thread-safe;
   * several callers take turns.
   *
   * @param mustStop asked now and then whether to return before everything is done
   * @return whether everything is done
   */
  public boolean destroy(BooleanSupplier mustStop) {
    teardownLock.lock();
    try {
      if (!stopped) {
        stop();
      }
      if (!relinquished) {
        relinquished = mmu.relinquish(vcpus, mustStop);
        if (relinquished) {
          for (Vcpu v : vcpus) {
            v.close();
          }
        }
      }
      if (relinquished && hostRegion != FrameAllocator.ALL_RELEASED) {
        hostRegion =
            hypervisor
                .machineFrames()
                .allocator()
                .releaseToHost(SMALLEST_ORDER_TO_HOST, hostRegion, mustStop);
      }
      return hostRegion == FrameAllocator.ALL_RELEASED;
    } finally {
      teardownLock.unlock();
    }
  }

  private void stop() {
    stopped = true;
    lifeLock.lock();
    try {
      dying = true;
      alive = false;
    } finally {
      lifeLock.unlock();
    }
    for (Vcpu v : vcpus) {
      if (v.unit() != null) {
        v.unit().pool().remove(v.unit());
      }
    }
    watchdogs.close();
    hypervisor.assignments().deassignAll(this);
    events.closeAll();
    grants.teardown();
    physmap.ifPresent(Physmap::relinquish);
    for (Vcpu v : vcpus) {
      v.releaseVcpuInfo();
    }
  }

  @Override
  public String toString() {
    return "d" + domid;
  }
}

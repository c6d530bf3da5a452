package dev.domus.kernel.testing;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.dispatch.DispatchLimits;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.pci.ScriptedModel;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.memory.Window;
import dev.domus.memory.paging.Pte;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * A small machine for tests, without plugins: one pool, and guests of {@value #GUEST_PAGES} pages
 * whose vCPUs are scripted.
 *
 * <p>A guest's pages are mapped from virtual address 0 on, page n at {@code n << 12}: writable, but
 * for the tables.
 *
 * <pre>
 *   pfn 0 L4   1 L3   2 L2   3 L1   4 … 15 ordinary pages, the kernel's stack growing down from the end of page 15
 * </pre>
 */
public final class TinyMachine implements AutoCloseable {
  /** Pages of a guest. */
  public static final int GUEST_PAGES = 32;

  /** What a service domain may have. */
  public static final int SERVICE_PAGES = 1024;

  /** Initial stack pointer of a guest. */
  public static final long STACK = 16 << 12;

  /** Entry point of a guest. */
  public static final long ENTRY = 4 << 12;

  private static final long TABLE = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
  private static final int FIRST_ORDINARY_PAGE = 4;

  private final Hypervisor hypervisor;
  private final Control control;
  private final ScriptedEngine engine = new ScriptedEngine();
  private final ScriptedModel devices = new ScriptedModel();

  /** Starts the machine with a scheduler and a number of pCPUs. */
  public TinyMachine(SchedulerFactory scheduler, int pcpus) {
    this(scheduler, pcpus, 64L << 20);
  }

  /** Starts the machine with a scheduler, a number of pCPUs, and bytes of memory. */
  public TinyMachine(SchedulerFactory scheduler, int pcpus, long memoryBytes) {
    this(scheduler, pcpus, memoryBytes, new Dispatcher());
  }

  /** Starts a deterministic machine, whose vCPUs compute where they have no step. */
  public static TinyMachine deterministic(SchedulerFactory scheduler, VirtualClock clock) {
    return new TinyMachine(scheduler, 1, 64L << 20, new Dispatcher(clock, DispatchLimits.DEFAULT));
  }

  private TinyMachine(
      SchedulerFactory scheduler, int pcpus, long memoryBytes, Dispatcher dispatcher) {
    dispatcher.createPool("pool0", pcpus, scheduler, Map.of());
    hypervisor = new Hypervisor(memoryBytes, new HypercallTable(), dispatcher);
    control =
        new DomainControl(
            hypervisor,
            Map.of(engine.name(), engine),
            Map.of(scheduler.name(), scheduler),
            Map.of(),
            Map.of(ScriptedModel.NAME, devices));
  }

  /** The hypervisor. */
  public Hypervisor hypervisor() {
    return hypervisor;
  }

  /** Domain 0's control interface. */
  public Control control() {
    return control;
  }

  /** The engine. */
  public ScriptedEngine engine() {
    return engine;
  }

  /** The device model that it has. */
  public ScriptedModel devices() {
    return devices;
  }

  /** Starts domain 0, without services. */
  public LocalServiceDomain startDomain0() {
    return startService(0, true);
  }

  /** Starts a driver domain. */
  public LocalServiceDomain startDriver() {
    int domid = hypervisor.ids().claimNext();
    try {
      return startService(domid, false);
    } finally {
      hypervisor.ids().release(domid);
    }
  }

  private LocalServiceDomain startService(int domid, boolean privileged) {
    return LocalServiceDomain.start(
            hypervisor,
            domid,
            "service-" + domid,
            SERVICE_PAGES,
            privileged,
            new ServiceRegistry(),
            Optional.empty())
        .orElseThrow();
  }

  /** Builds a guest and leaves it paused. */
  public Domain build(int vcpus) {
    return build(vcpus, false);
  }

  /** Builds a guest that is privileged, and leaves it paused. */
  public Domain buildPrivileged(int vcpus) {
    return build(vcpus, true);
  }

  private Domain build(int vcpus, boolean privileged) {
    UUID uuid = UUID.randomUUID();
    int domid =
        control.createDomain(
            new DomainSpec(uuid, GUEST_PAGES, vcpus, engine.name(), "pool0", 256, 0, privileged));
    control.populate(domid, 0, GUEST_PAGES);
    try (Window window = control.mapForeign(domid, 0, GUEST_PAGES, true)) {
      for (int level = 4; level > 1; level--) {
        int table = 4 - level;
        window.putLong((long) table << 12, Pte.of(control.mfn(domid, table + 1), TABLE));
      }
      for (int pfn = 0; pfn < GUEST_PAGES; pfn++) {
        long flags = Pte.P | Pte.U | Pte.A | (pfn < FIRST_ORDINARY_PAGE ? 0 : Pte.W);
        window.putLong((3L << 12) + 8L * pfn, Pte.of(control.mfn(domid, pfn), flags));
      }
    }
    control.pinTable(domid, 4, control.mfn(domid, 0));
    control.setStart(domid, new VcpuStart(ENTRY, STACK, 5 << 12, control.mfn(domid, 0)));
    return hypervisor.domain(domid);
  }

  /** Builds a guest with one vCPU and lets it run. */
  public Domain start() {
    Domain domain = build(1);
    control.unpause(domain.domid());
    return domain;
  }

  @Override
  public void close() {
    hypervisor.close();
  }
}

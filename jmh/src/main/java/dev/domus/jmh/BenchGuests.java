package dev.domus.jmh;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.VcpuEngine;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.trace.ring.Tracer;
import dev.domus.memory.Window;
import dev.domus.memory.paging.Pte;
import dev.domus.sched.rr.RoundRobinFactory;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * A machine whose guests are never run: the benchmark's thread makes their hypercalls, through the
 * same {@link HypercallTable#dispatch} that a vCPU's exit leads to. What an engine costs is not in
 * the figures.
 *
 * <p>A guest's pages are mapped from virtual address 0 on, page n at {@code n << 12}, writable but
 * for the tables.
 *
 * <pre>
 *   pfn 0 L4   1 L3   2 L2   3 L1 of pages 0 to 511   4 L1 of pages 512 to 1023   5 … ordinary pages
 * </pre>
 */
final class BenchGuests implements AutoCloseable {
  /** Pages of a guest. */
  static final int PAGES = 1024;

  /** The frame that holds the second half's leaves. */
  static final int UPPER_L1 = 4;

  private static final int FIRST_ORDINARY = 5, HALF = 512;
  private static final long TABLE = Pte.P | Pte.W | Pte.U | Pte.A | Pte.D;
  private static final long AFTER_SYSCALL = 2;
  static final String ENGINE = "none";
  private static final String POOL = "pool0";

  private final HypercallTable hypercalls = new HypercallTable();
  private final Hypervisor hypervisor;
  private final Control control;

  BenchGuests() {
    this(new NoEngine());
  }

  /** A machine whose guests run on this engine, called {@value #ENGINE}, once unpaused. */
  BenchGuests(Engine engine) {
    RoundRobinFactory scheduler = new RoundRobinFactory();
    Dispatcher dispatcher = new Dispatcher();
    dispatcher.createPool(POOL, 1, scheduler, Map.of());
    hypervisor = new Hypervisor(64L << 20, hypercalls, dispatcher);
    DomainControl domainControl =
        new DomainControl(
            hypervisor, Map.of(ENGINE, engine), Map.of(scheduler.name(), scheduler), Map.of());
    hypervisor.setControl(domainControl);
    control = domainControl;
  }

  Control control() {
    return control;
  }

  Tracer tracer() {
    return hypervisor.tracer();
  }

  Domain domain(int domid) {
    return hypervisor.domain(domid);
  }

  /** Builds a guest with one vCPU and leaves it paused. */
  Guest build() {
    int domid =
        control.createDomain(
            new DomainSpec(UUID.randomUUID(), PAGES, 1, ENGINE, POOL, 256, 0, false));
    control.populate(domid, 0, PAGES);
    try (Window window = control.mapForeign(domid, 0, FIRST_ORDINARY, true)) {
      for (int table = 0; table < 3; table++) {
        window.putLong((long) table << 12, Pte.of(control.mfn(domid, table + 1), TABLE));
      }
      window.putLong((2L << 12) + 8, Pte.of(control.mfn(domid, UPPER_L1), TABLE));
      for (int pfn = 0; pfn < PAGES; pfn++) {
        long table = 3 + pfn / HALF;
        long flags = Pte.P | Pte.U | Pte.A | (pfn < FIRST_ORDINARY ? 0 : Pte.W);
        window.putLong((table << 12) + 8L * (pfn % HALF), Pte.of(control.mfn(domid, pfn), flags));
      }
    }
    control.pinTable(domid, 4, control.mfn(domid, 0));
    control.setStart(domid, new VcpuStart(0, 0, 0, control.mfn(domid, 0)));
    return new Guest(domid, hypervisor.domain(domid));
  }

  @Override
  public void close() {
    hypervisor.close();
  }

  /** One guest, and its only vCPU's registers. */
  final class Guest {
    private final int domid;
    private final Vcpu vcpu;
    private final long[] gpr;

    private Guest(int domid, Domain domain) {
      this.domid = domid;
      vcpu = domain.vcpu(0);
      gpr = vcpu.state().gpr;
    }

    int domid() {
      return domid;
    }

    long mfn(int pfn) {
      return control.mfn(domid, pfn);
    }

    /** Maps some of the guest's pages for the benchmark's own stores. */
    Window map(int pfn, int pages) {
      return control.mapForeign(domid, pfn, pages, true);
    }

    /** Maps one of the guest's pages, which may be a page table, for reading. */
    Window mapReadOnly(int pfn) {
      return control.mapForeign(domid, pfn, 1, false);
    }

    /** Makes a hypercall as the guest does, again as long as it is to be continued. */
    long call(int number, long a1, long a2, long a3, long a4) {
      gpr[CpuState.RAX] = number;
      gpr[CpuState.RDI] = a1;
      gpr[CpuState.RSI] = a2;
      gpr[CpuState.RDX] = a3;
      gpr[CpuState.R10] = a4;
      do {
        vcpu.state().rip = AFTER_SYSCALL;
        hypercalls.dispatch(vcpu);
      } while (vcpu.state().rip != AFTER_SYSCALL);
      return gpr[CpuState.RAX];
    }

    /** As {@link #call}, where nothing but 0 is an answer: what failed must not pass for fast. */
    void mustSucceed(int number, long a1, long a2, long a3, long a4) {
      long result = call(number, a1, a2, a3, a4);
      if (result != 0) {
        throw new IllegalStateException(
            "hypercall=" + number + " answered " + result + " (EINVAL is " + -Errno.EINVAL + ")");
      }
    }
  }

  private static final class NoEngine implements Engine {
    @Override
    public String name() {
      return ENGINE;
    }

    @Override
    public String description() {
      return "runs nothing";
    }

    @Override
    public Optional<String> unusableBecause() {
      return Optional.empty();
    }

    @Override
    public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) {
      return new VcpuEngine() {
        @Override
        public Exit run(long budget) {
          throw new IllegalStateException("a benchmark's guest is not run");
        }

        @Override
        public Exit stepOver(long va, long mfn) {
          throw new IllegalStateException("a benchmark's guest is not run");
        }

        @Override
        public void kick() {}

        @Override
        public void invalidate(long invalidation) {}

        @Override
        public void close() {}
      };
    }
  }
}

package dev.domus.isolation;

import dev.domus.engine.jvm.JvmEngine;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.dispatch.Dispatcher;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.hypercall.HypercallTable;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.kernel.servicedomain.ServiceRegistry;
import dev.domus.kernel.trace.Trace;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.BuiltDomain;
import dev.domus.toolstack.build.DomainBuilder;
import dev.domus.toolstack.image.KernelImage;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * A machine with the real engine, a domain 0 without services, and guests from {@code
 * guest-kernels/images}, in the test's own process: the parts of the product, put together here so
 * that a test can look at all of them.
 */
final class TestHost implements AutoCloseable {
  static final int GUEST_PAGES = (16 << 20) >> 12;

  private static final long MACHINE_BYTES = 96L << 20;
  static final String POOL = "pool0";

  private static final int PCPUS = 2;
  private static final int DOMAIN_0_PAGES = 1024;

  private final News news = new News();
  private final Hypervisor hypervisor;
  private final Control control;
  private final LocalServiceDomain domain0;
  private final JvmEngine engine = new JvmEngine();

  TestHost() {
    this(1, new RoundRobinFactory());
  }

  /** A host whose pCPUs make cores of so many. */
  TestHost(int granularity, SchedulerFactory scheduler) {
    Dispatcher dispatcher = new Dispatcher();
    dispatcher.createPool(POOL, PCPUS, granularity, scheduler, Map.of());
    hypervisor = new Hypervisor(MACHINE_BYTES, new HypercallTable(), dispatcher);
    DomainControl domainControl =
        new DomainControl(
            hypervisor,
            Map.of(engine.name(), engine),
            Map.of(scheduler.name(), scheduler),
            Map.of());
    hypervisor.setControl(domainControl);
    control = domainControl;
    domain0 =
        LocalServiceDomain.start(
                hypervisor,
                0,
                "Domain-0",
                DOMAIN_0_PAGES,
                true,
                new ServiceRegistry(),
                Optional.empty())
            .orElseThrow();
    domain0.hypercalls().bindVirq(Virq.DOM_EXC, news::heard);
  }

  Control control() {
    return control;
  }

  /** The machine's trace. */
  Trace trace() {
    return hypervisor.tracer();
  }

  /** Builds a guest with one vCPU and lets it run. */
  TestGuest start(String kernel, String commandLine) throws BadInputException {
    return start(kernel, commandLine, 1);
  }

  /** Builds a guest and lets it run. */
  TestGuest start(String kernel, String commandLine, int vcpus) throws BadInputException {
    Path image = Path.of(System.getProperty("domus.root"), "guest-kernels/images", kernel + ".elf");
    try (KernelImage read = KernelImage.read(image)) {
      BuiltDomain built =
          new DomainBuilder(control, domain0.domid(), domain0.domid())
              .build(
                  read,
                  Optional.empty(),
                  commandLine,
                  new DomainSpec(
                      UUID.randomUUID(), GUEST_PAGES, vcpus, engine.name(), POOL, 256, 0, false));
      TestGuest guest = new TestGuest(control, domain0.hypercalls(), built, news);
      control.unpause(built.domid());
      return guest;
    }
  }

  /**
   * Scans the frame table; all guests have shut down or are paused, and their consoles are closed.
   * The scanner is the one of the kernel's own tests, which no compiler of this module sees.
   */
  void scan() throws ReflectiveOperationException {
    try {
      Class.forName("dev.domus.kernel.mmu.MachineScan")
          .getMethod("scan", Hypervisor.class)
          .invoke(null, hypervisor);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof AssertionError violated) {
        throw violated;
      }
      throw e;
    }
  }

  @Override
  public void close() {
    hypervisor.destroyDomains();
    domain0.close();
    hypervisor.close();
  }
}

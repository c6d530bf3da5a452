package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.console.ConsolePlugin;
import dev.domus.engine.jvm.JvmEngine;
import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.KernelMachine;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.DriverDomainSpec;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.StoreService;
import dev.domus.kernel.servicedomain.LocalServiceDomain;
import dev.domus.sched.rr.RoundRobinFactory;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.life.Guest;
import dev.domus.toolstack.life.GuestConfig;
import dev.domus.xenstore.XenstoreService;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/**
 * A whole machine whose backends run in an unprivileged driver domain: what that domain can do for
 * a guest, what it cannot do to others, and what becomes of everybody when it is gone.
 */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DriverDomainTest {
  private static final String POOL = "pool0";
  private static final int CONSOLE_GRANT = 0, STORE_GRANT = 1;

  private final JvmEngine engine = new JvmEngine();
  private Machine machine;
  private Control control;

  private void start(String... services) throws Exception {
    RoundRobinFactory scheduler = new RoundRobinFactory();
    machine =
        KernelMachine.start(
            new MachineSpec(
                96L << 20,
                false,
                2,
                POOL,
                scheduler.name(),
                Map.of(),
                Optional.empty(),
                List.of(new DriverDomainSpec("drivers", List.of(services)))),
            Map.of(engine.name(), engine),
            Map.of(scheduler.name(), scheduler),
            Map.of(),
            Map.of(),
            Map.of(),
            List.of(new XenstoreService(), new ConsolePlugin()));
    control = machine.domain0().hypercalls().control();
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private ServiceDomain driver() {
    return machine.driverDomains().getFirst();
  }

  private Guest create(String commandLine) throws BadInputException {
    Path image = Path.of(System.getProperty("domus.root"), "guest-kernels/images/hello.elf");
    try (KernelImage read = KernelImage.read(image)) {
      return Guest.create(
          machine,
          new GuestConfig(
              "hello",
              UUID.randomUUID(),
              read,
              Optional.empty(),
              commandLine,
              (16 << 20) >> 12,
              1,
              engine.name(),
              POOL,
              256,
              0,
              false));
    }
  }

  /** What a guest has printed. */
  private static final class Screen implements ConsoleService.Output {
    private final StringBuilder text = new StringBuilder();

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
      text.append(new String(bytes, offset, length, StandardCharsets.ISO_8859_1));
      notifyAll();
    }

    synchronized void await(String wanted) throws InterruptedException {
      while (text.indexOf(wanted) < 0) {
        wait();
      }
    }

    @Override
    public synchronized String toString() {
      return text.toString();
    }
  }

  private static void awaitShutdown(Hypervisor hypervisor, int domid) throws InterruptedException {
    while (hypervisor.domain(domid).shutdownReason() < 0) {
      Thread.sleep(5);
    }
  }

  private static Hypervisor hypervisor(ServiceDomain domain) {
    return ((LocalServiceDomain) domain).domain().hypervisor();
  }

  private static int refusal(Executable call) {
    return assertThrows(HypercallException.class, call).errno();
  }

  private static void type(ConsoleService.Attachment console, String text)
      throws InterruptedException {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    console.type(bytes, 0, bytes.length);
  }

  @Test
  void aGuestHasItsConsoleInADriverDomainThatHasNoPrivilege() throws Exception {
    start("console");
    Screen screen = new Screen();
    try (Guest guest = create("ask");
        ConsoleService.Attachment console = guest.attach(screen)) {
      int domid = guest.domid();
      int backend = driver().domid();
      StoreConnection store =
          machine.domain0().services().find(StoreService.class).orElseThrow().connect(0);
      String home = "/local/domain/" + domid + "/console/";
      assertEquals(Optional.of(Integer.toString(backend)), store.read(0, home + "backend-id"));
      assertEquals(
          Optional.of("/local/domain/%d/backend/console/%d/0".formatted(backend, domid)),
          store.read(0, home + "backend"));
      store.close();
      Hypercalls domain0 = machine.domain0().hypercalls();
      assertEquals(Errno.EPERM, refusal(() -> domain0.mapGrant(domid, CONSOLE_GRANT, false)));
      domain0.mapGrant(domid, STORE_GRANT, true).close();
      driver().hypercalls().mapGrant(domid, CONSOLE_GRANT, true).close();
      guest.unpause();
      screen.await("who is there?");
      type(console, "domus\r");
      screen.await("good day, domus");
      awaitShutdown(hypervisor(driver()), domid);
      console.drain();
      assertTrue(screen.toString().contains("goodbye"), screen::toString);
    }
    assertEquals(List.of(), control.domains());
  }

  @Test
  void xenstoreTooCanRunInADriverDomain() throws Exception {
    start("xenstore", "console");
    Screen screen = new Screen();
    try (Guest guest = create("");
        ConsoleService.Attachment console = guest.attach(screen)) {
      assertEquals(
          Errno.EPERM,
          refusal(() -> machine.domain0().hypercalls().mapGrant(guest.domid(), STORE_GRANT, true)));
      guest.unpause();
      awaitShutdown(hypervisor(driver()), guest.domid());
      console.drain();
      assertTrue(screen.toString().contains("goodbye"), screen::toString);
    }
  }

  @Test
  void theConsoleNeedsNoAccessOfDomain0s() throws Exception {
    start("console");
    Screen screen = new Screen();
    Guest guest = create("ask");
    ConsoleService.Attachment console = guest.attach(screen);
    guest.unpause();
    screen.await("who is there?");
    Hypervisor hypervisor = hypervisor(driver());
    hypervisor.access().setPolicy("nothing", (operation, caller, target, detail) -> false);
    assertEquals(Errno.EPERM, refusal(() -> control.pause(guest.domid())));
    type(console, "nobody\r");
    screen.await("good day, nobody");
    awaitShutdown(hypervisor, guest.domid());
    console.drain();
    assertTrue(screen.toString().contains("goodbye"), screen::toString);
    console.close();
  }

  @Test
  void theEndOfADriverDomainTakesNeitherGuestNorMachineAlong() throws Exception {
    start("console");
    Screen screen = new Screen();
    Guest guest = create("seconds=1");
    ConsoleService.Attachment console = guest.attach(screen);
    guest.unpause();
    screen.await("hello: it is");
    Hypervisor hypervisor = hypervisor(driver());
    int backend = driver().domid();
    control.destroyDomain(backend);
    assertEquals(List.of(), machine.driverDomains());
    assertEquals(Optional.empty(), control.domain(backend));
    assertEquals(DomainInfo.State.RUNNING, guest.info().state());
    assertThrows(IllegalStateException.class, () -> type(console, "is anybody there\r"));
    awaitShutdown(hypervisor, guest.domid());
    assertEquals(DomainInfo.POWEROFF, hypervisor.domain(guest.domid()).shutdownReason());
    console.close();
    guest.close();
    assertThrows(BadInputException.class, () -> create(""), "nobody serves consoles any more");
    assertEquals(List.of(), control.domains());
  }

  @Test
  void aDriverDomainReachesNothingThatItWasNotGranted() throws Exception {
    start("console");
    Guest guest = create("");
    int domid = guest.domid();
    int stranger =
        control.createDomain(
            new dev.domus.kernel.control.DomainSpec(
                UUID.randomUUID(), 64, 1, engine.name(), POOL, 256, 0, false));
    control.populate(stranger, 0, 64);
    control.seedGrant(stranger, 9, 0, 5); // to domain 0, not to the driver domain
    int port = control.allocUnbound(stranger, 0);
    Hypercalls calls = driver().hypercalls();
    calls.memory().populate(0, 1);
    for (int target : new int[] {domid, stranger}) {
      for (int ref = target == domid ? 1 : 0; ref < 512; ref++) {
        int named = ref;
        assertEquals(Errno.EPERM, refusal(() -> calls.mapGrant(target, named, false)));
      }
      GrantCopy copy =
          new GrantCopy(new GrantCopy.Granted(target, 9, 0), new GrantCopy.Own(0, 0), 4096);
      assertEquals(GrantStatus.GENERAL_ERROR, calls.copy(List.of(copy))[0]);
      assertEquals(Errno.EPERM, refusal(() -> calls.portStatus(target, 1)));
      assertEquals(Errno.EPERM, refusal(() -> calls.resetPorts(target)));
      assertEquals(Errno.EPERM, refusal(() -> calls.remoteShutdown(target, 0)));
      assertEquals(Errno.EPERM, refusal(() -> calls.control().mapForeign(target, 0, 1, false)));
      assertEquals(Errno.EPERM, refusal(() -> calls.control().destroyDomain(target)));
      assertEquals(Errno.EPERM, refusal(() -> calls.control().domain(target)));
    }
    for (int each = 1; each < 16; each++) {
      int named = each;
      assertEquals(Errno.EINVAL, refusal(() -> calls.bindInterdomain(stranger, named, () -> {})));
    }
    assertTrue(port > 0);
    StoreService store = driver().services().find(StoreService.class).orElseThrow();
    assertThrows(StoreException.class, () -> store.connect(0));
    try (StoreConnection own = store.connect(driver().domid())) {
      assertThrows(StoreException.class, () -> own.read(0, "/local/domain/" + domid + "/name"));
      assertThrows(
          StoreException.class,
          () -> own.write(0, "/local/domain/" + domid + "/console/port", "1"));
    }
    guest.close();
  }
}

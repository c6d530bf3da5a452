package dev.domus.kernel.servicedomain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.CallCount;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.mmu.MachineScan;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.GrantedPage;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.HypervisorVersion;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.kernel.service.PortStatus;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.Window;
import dev.domus.memory.WindowRevokedException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** Two service domains of a real machine: domain 0, and an unprivileged driver domain. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TypedHypercallsTest {
  private static final int SELF = Domid.SELF;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final FrameAllocator allocator = machine.hypervisor().machineFrames().allocator();
  private LocalServiceDomain domain0;
  private LocalServiceDomain driver;
  private Hypercalls calls;
  private Hypercalls other;
  private DomainMemory memory;

  @BeforeEach
  void start() {
    domain0 = machine.startDomain0();
    driver = machine.startDriver();
    calls = domain0.hypercalls();
    other = driver.hypercalls();
    memory = other.memory();
  }

  @AfterEach
  void close() {
    driver.close();
    domain0.close();
    machine.close();
  }

  private static int refusal(Executable call) {
    return assertThrows(HypercallException.class, call).errno();
  }

  // ---- events

  @Test
  void twoServiceDomainsTalk() throws Exception {
    Semaphore here = new Semaphore(0);
    Semaphore there = new Semaphore(0);
    EventPort near = calls.allocUnbound(driver.domid(), here::release);
    EventPort far = other.bindInterdomain(0, near.port(), there::release);
    assertTrue(there.tryAcquire(10, TimeUnit.SECONDS), "pending when bound");
    far.send();
    assertTrue(here.tryAcquire(10, TimeUnit.SECONDS));
    near.send();
    assertTrue(there.tryAcquire(10, TimeUnit.SECONDS));
    assertEquals(
        new PortStatus(PortStatus.INTERDOMAIN, 0, 0, near.port()),
        other.portStatus(SELF, far.port()));
    far.close();
    assertEquals(
        new PortStatus(PortStatus.UNBOUND, 0, driver.domid(), 0),
        calls.portStatus(SELF, near.port()));
    near.send();
    near.close();
  }

  @Test
  void refusalsCarryTheErrorNumberAndSayWhatWasAsked() {
    HypercallException noDomain =
        assertThrows(HypercallException.class, () -> calls.bindInterdomain(77, 5, () -> {}));
    assertEquals(Errno.ESRCH, noDomain.errno());
    assertEquals("domain 0 cannot bind to port 5 of domain 77 (ESRCH)", noDomain.getMessage());
    calls.bindVirq(Virq.DOM_EXC, () -> {});
    assertEquals(Errno.EEXIST, refusal(() -> calls.bindVirq(Virq.DOM_EXC, () -> {})));
    assertEquals(Errno.ESRCH, refusal(() -> calls.bindInterdomain(-1, 5, () -> {})));
    assertEquals(Errno.ESRCH, refusal(() -> calls.mapGrant(1 << 16, 1, true)));
  }

  @Test
  void aPortWhoseHandlerFailedDoesNotTouchItsSuccessor() throws Exception {
    EventPort victim = other.allocUnbound(0, () -> {});
    EventPort failing =
        calls.bindInterdomain(
            driver.domid(),
            victim.port(),
            () -> {
              throw new IllegalStateException("this stack trace in the log is part of the test");
            });
    while (domain0.events().isBound(failing.port())) {
      Thread.onSpinWait();
    }
    Semaphore handled = new Semaphore(0);
    EventPort fresh = calls.bindInterdomain(driver.domid(), victim.port(), handled::release);
    assertTrue(handled.tryAcquire(10, TimeUnit.SECONDS));
    assertEquals(failing.port(), fresh.port());
    failing.close();
    assertTrue(domain0.events().isBound(fresh.port()));
    victim.send();
    assertTrue(handled.tryAcquire(10, TimeUnit.SECONDS));
  }

  @Test
  void domain0AllocatesPortsInOthersAndResetsThem() {
    int port = calls.allocUnboundIn(driver.domid(), 0);
    assertEquals(
        new PortStatus(PortStatus.UNBOUND, 0, 0, 0), calls.portStatus(driver.domid(), port));
    calls.resetPorts(driver.domid());
    assertFalse(driver.events().isBound(port));
  }

  // ---- memory

  @Test
  void memoryIsItsOwnCountedAndLimited() {
    long free = allocator.freeFrames();
    assertEquals(0, memory.pages(SELF));
    assertEquals(TinyMachine.SERVICE_PAGES, memory.maxPages(SELF));
    memory.populate(512, 512 + 3);
    assertEquals(515, memory.pages(SELF));
    assertEquals(515, calls.memory().pages(driver.domid()), "as domain 0 sees it");
    assertEquals(512 + 514, memory.highest(SELF));
    assertEquals(free - 515, allocator.freeFrames());
    assertEquals(Errno.ENOMEM, refusal(() -> memory.populate(513, 1)), "taken");
    assertEquals(Errno.ENOMEM, refusal(() -> memory.populate(2048, 600)), "beyond the limit");
    assertEquals(Errno.EINVAL, refusal(() -> memory.populate(-1, 1)));
    assertEquals(515, memory.pages(SELF), "nothing half done");
    memory.giveBack(512, 515);
    assertEquals(Errno.EINVAL, refusal(() -> memory.giveBack(512, 1)));
    assertEquals(0, memory.pages(SELF));
    assertEquals(free, allocator.freeFrames());
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void largeBlocksAreMappedAsLargePages() {
    long before = driver.domain().physmap().orElseThrow().tables();
    memory.populate(0, 512);
    assertEquals(
        before + 1, driver.domain().physmap().orElseThrow().tables(), "one table, no leaf");
  }

  @Test
  void whatIsNotInOnePieceIsPopulatedInSmallOnes() {
    List<Long> held = new ArrayList<>();
    for (long mfn = allocator.allocate(0);
        mfn != FrameAllocator.OUT_OF_MEMORY;
        mfn = allocator.allocate(0)) {
      held.add(mfn);
    }
    held.stream().filter(mfn -> mfn % 2 == 0).limit(600).forEach(mfn -> allocator.free(mfn, 0));
    memory.populate(0, 512);
    assertEquals(512, memory.pages(SELF));
    memory.giveBack(0, 512);
    held.stream().filter(mfn -> mfn % 2 != 0).forEach(mfn -> allocator.free(mfn, 0));
  }

  @Test
  void windowsOnOwnMemoryAreBoundedAndRevokedWhenAPageGoes() {
    memory.populate(5, 4);
    Window window = memory.window(5, 4, true);
    window.putLong(4096 - 4, 0x1122334455667788L);
    assertEquals(0x1122334455667788L, memory.window(5, 4, false).getLong(4096 - 4));
    assertThrows(IndexOutOfBoundsException.class, () -> window.getByte(4 * 4096));
    assertEquals(Errno.EINVAL, refusal(() -> memory.window(5, 5, false)), "a hole");
    assertEquals(Errno.EINVAL, refusal(() -> memory.window(-1, 1, false)));
    memory.giveBack(7, 1);
    assertThrows(WindowRevokedException.class, () -> window.getByte(0));
    assertEquals(3, memory.pages(SELF));
    memory.populate(7, 1);
    try (Window again = memory.window(5, 4, false)) {
      assertEquals(0, again.getLong(2 * 4096), "a fresh page is zero");
    }
  }

  @Test
  void pagesMoveAndSharedFramesAreSeenInOnePlace() {
    memory.populate(1, 1);
    try (Window window = memory.window(1, 1, true)) {
      window.putInt(0, 42);
    }
    memory.move(1, 9);
    assertEquals(42, memory.window(9, 1, false).getInt(0));
    assertEquals(Errno.EINVAL, refusal(() -> memory.window(1, 1, false)));
    memory.mapSharedInfo(20);
    Window clock = memory.window(20, 1, false);
    assertTrue(clock.getInt(0xC08) != 0 || clock.getInt(0xC04) != 0, "the wall clock");
    memory.mapSharedInfo(21);
    assertThrows(WindowRevokedException.class, () -> clock.getInt(0));
    assertEquals(Errno.EEXIST, refusal(() -> memory.mapSharedInfo(9)));
    assertEquals(Errno.EINVAL, refusal(() -> memory.giveBack(21, 1)), "not its to give");
    memory.unmapShared(21);
    assertEquals(Errno.ENOENT, refusal(() -> memory.unmapShared(21)));
    assertEquals(Errno.ENOENT, refusal(() -> memory.unmapShared(9)), "RAM is given back instead");
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void writtenPagesAreLogged() {
    memory.populate(0, 130);
    int domid = driver.domid();
    assertEquals(Errno.EINVAL, refusal(() -> machine.control().collectDirty(domid, 0, 130)), "off");
    machine.control().setDirtyLogging(domid, true);
    assertArrayEquals(new long[3], machine.control().collectDirty(domid, 0, 130));
    Window window = memory.window(3, 2, true);
    assertArrayEquals(new long[] {0x18, 0, 0}, machine.control().collectDirty(domid, 0, 130));
    assertArrayEquals(
        new long[] {0x18, 0, 0}, machine.control().collectDirty(domid, 0, 130), "still open");
    window.close();
    assertArrayEquals(new long[] {0x18, 0, 0}, machine.control().collectDirty(domid, 0, 130));
    assertArrayEquals(new long[3], machine.control().collectDirty(domid, 0, 130));
    GrantedPage page = other.grants().permit(0, 129, true);
    GrantMapping mapping = calls.mapGrant(domid, page.ref(), true);
    mapping.close();
    assertArrayEquals(new long[] {0, 0, 2}, machine.control().collectDirty(domid, 0, 130));
    GrantCopy copy = new GrantCopy(new GrantCopy.Own(3, 0), new GrantCopy.Own(64, 0), 16);
    assertArrayEquals(new int[1], other.copy(List.of(copy)));
    assertArrayEquals(new long[] {0, 1, 0}, machine.control().collectDirty(domid, 0, 130));
    machine.control().setDirtyLogging(domid, false);
    Domain guest = machine.build(1);
    assertEquals(
        Errno.EOPNOTSUPP, refusal(() -> machine.control().setDirtyLogging(guest.domid(), true)));
  }

  // ---- grants

  @Test
  void aServiceDomainIsAFrontendOfAnother() {
    memory.populate(100, 2);
    Window own = memory.window(100, 2, true);
    GrantedPage first = other.grants().permit(0, 100, true);
    GrantedPage second = other.grants().permit(0, 101, false);
    assertEquals(
        Errno.EPERM,
        refusal(() -> calls.mapGrants(driver.domid(), new int[] {first.ref(), second.ref()}, true)),
        "all or none");
    assertFalse(first.inUse());
    try (GrantMapping ring =
        calls.mapGrants(driver.domid(), new int[] {first.ref(), second.ref()}, false)) {
      own.putLong(4096 - 4, 0x0123456789ABCDEFL);
      assertEquals(0x0123456789ABCDEFL, ring.window().getLong(4096 - 4), "one range");
      assertTrue(first.inUse());
      assertFalse(first.end());
      assertEquals(Errno.EBUSY, refusal(first::close));
    }
    assertTrue(first.end());
    assertTrue(first.end());
    assertEquals(Errno.EPERM, refusal(() -> calls.mapGrant(driver.domid(), first.ref(), false)));
    GrantedPage reused = other.grants().permit(0, 101, true);
    assertEquals(first.ref(), reused.ref());
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void onlyItsOwnMemoryCanBeGranted() {
    memory.populate(100, 1);
    Domain guest = machine.build(1);
    long stolen = machine.control().mfn(guest.domid(), 8);
    GrantedPage nothing = other.grants().permit(0, 99, true);
    GrantedPage others = other.grants().permit(0, stolen, false);
    assertEquals(Errno.EINVAL, refusal(() -> calls.mapGrant(driver.domid(), nothing.ref(), true)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.mapGrant(driver.domid(), others.ref(), false)));
    machine.control().seedGrant(guest.domid(), 9, driver.domid(), 8);
    GrantMapping mapped = other.mapGrantsAt(guest.domid(), new int[] {9}, true, 200);
    GrantedPage passedOn = other.grants().permit(0, 200, false);
    assertEquals(
        Errno.EINVAL, refusal(() -> calls.mapGrant(driver.domid(), passedOn.ref(), false)));
    mapped.close();
  }

  @Test
  void aGrantedPageThatIsGivenBackLivesUntilItIsUnmapped() {
    memory.populate(100, 1);
    long free = allocator.freeFrames();
    GrantedPage page = other.grants().permit(0, 100, true);
    long tables = free - allocator.freeFrames();
    GrantMapping mapping = calls.mapGrant(driver.domid(), page.ref(), true);
    memory.giveBack(100, 1);
    assertEquals(1, memory.pages(SELF), "somebody has it still");
    mapping.window().putInt(0, 1);
    mapping.close();
    assertEquals(0, memory.pages(SELF));
    assertEquals(free - tables + 1, allocator.freeFrames());
  }

  @Test
  void grantsAreMappedAtGuestFramesToo() {
    Domain guest = machine.build(1);
    for (int i = 0; i < 3; i++) {
      machine.control().seedGrant(guest.domid(), 9 + i, driver.domid(), 8 + i);
    }
    int[] refs = {9, 10, 11};
    GrantMapping mapping = other.mapGrantsAt(guest.domid(), refs, true, 300);
    assertEquals(302, memory.highest(SELF));
    assertEquals(0, memory.pages(SELF), "they are the guest's");
    assertEquals(Errno.EINVAL, refusal(() -> memory.window(300, 1, false)));
    assertEquals(Errno.EINVAL, refusal(() -> memory.giveBack(300, 1)));
    assertEquals(Errno.ENOMEM, refusal(() -> memory.populate(301, 1)));
    assertEquals(
        Errno.EPERM, refusal(() -> other.mapGrantsAt(guest.domid(), refs, true, 298)), "taken");
    mapping.window().putInt(2 * 4096, 7);
    try (Window seen = machine.control().mapForeign(guest.domid(), 10, 1, false)) {
      assertEquals(7, seen.getInt(0));
    }
    MachineScan.scan(machine.hypervisor());
    mapping.close();
    assertEquals(0, memory.highest(SELF));
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void copiesGoBothWaysInBatches() {
    Domain guest = machine.build(1);
    machine.control().seedGrant(guest.domid(), 9, driver.domid(), 8);
    memory.populate(1, 1);
    try (Window own = memory.window(1, 1, true)) {
      own.putInt(8, 0x600D);
      List<GrantCopy> copies = new ArrayList<>();
      GrantCopy.Place page = new GrantCopy.Granted(guest.domid(), 9, 100);
      copies.add(new GrantCopy(new GrantCopy.Own(1, 8), page, 4));
      copies.add(new GrantCopy(page, new GrantCopy.Own(1, 4092), 8)); // beyond its page
      copies.add(new GrantCopy(page, new GrantCopy.Own(2, 0), 4)); // nothing there
      copies.add(new GrantCopy(new GrantCopy.Granted(0, 9, 0), page, 4)); // not granted
      while (copies.size() < 600) { // more than fit one call
        copies.add(new GrantCopy(page, new GrantCopy.Own(1, copies.size() * 4), 4));
      }
      int[] statuses = other.copy(copies);
      assertEquals(GrantStatus.OKAY, statuses[0]);
      assertEquals(GrantStatus.BAD_COPY_ARG, statuses[1]);
      assertEquals(GrantStatus.BAD_PAGE, statuses[2]);
      assertEquals(GrantStatus.BAD_GNTREF, statuses[3], "domain 0 grants nothing");
      assertEquals(GrantStatus.OKAY, statuses[599]);
      assertEquals(0x600D, own.getInt(599 * 4));
    }
    assertEquals(
        Errno.EINVAL,
        refusal(() ->
            other.copy(
                List.of(
                    new GrantCopy(new GrantCopy.Own(1, 0), new GrantCopy.Own(1, 0), 1 << 17)))));
  }

  @Test
  void aPageIsGivenToWhereItIsExpected() {
    memory.populate(1, 1);
    try (Window filled = memory.window(1, 1, true)) {
      filled.putInt(0, 77);
    }
    calls.memory().populate(50, 1);
    OwnGrants.ExpectedPage taken = calls.grants().accept(driver.domid(), 50);
    OwnGrants.ExpectedPage free = calls.grants().accept(driver.domid(), 60);
    Hypercalls giver = other;
    assertEquals(Errno.EINVAL, refusal(() -> giver.grants().transfer(2, 0, free.ref())), "no page");
    assertEquals(Errno.EPERM, refusal(() -> giver.grants().transfer(1, 0, taken.ref())));
    assertFalse(taken.arrived());
    Window window = memory.window(1, 1, false);
    assertEquals(77, window.getInt(0), "still there");
    assertEquals(Errno.EINVAL, refusal(() -> giver.grants().transfer(1, 0, free.ref())), "in use");
    memory.move(1, 2); // revokes the window
    giver.grants().transfer(2, 0, free.ref());
    assertTrue(free.arrived());
    free.close();
    taken.close();
    assertEquals(77, calls.memory().window(60, 1, false).getInt(0));
    assertEquals(0, memory.pages(SELF));
    assertEquals(2, calls.memory().pages(SELF));
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void grantsAreMappedAsWindowsAndRefusedWithReason() {
    Domain guest = machine.build(1);
    machine.control().seedGrant(guest.domid(), 1, 0, 8);
    try (GrantMapping mapping = calls.mapGrant(guest.domid(), 1, true)) {
      mapping.window().putInt(8, 0x1234);
      assertEquals(0x1234, mapping.window().getInt(8));
    }
    HypercallException refused =
        assertThrows(HypercallException.class, () -> other.mapGrant(guest.domid(), 1, false));
    assertEquals(Errno.EPERM, refused.errno());
    assertEquals(
        "domain %d cannot map grant 1 of domain %d for reading: status=-1 (EPERM)"
            .formatted(driver.domid(), guest.domid()),
        refused.getMessage());
    assertEquals(Errno.ESRCH, refusal(() -> calls.mapGrant(88, 1, false)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.mapGrant(guest.domid(), 512, false)));
    assertEquals(1, calls.grantTableFrames(guest.domid()));
    assertEquals(1, calls.grantTableVersion(guest.domid()));
  }

  // ---- the end

  @Test
  void aDomainThatEndsLetsGoOfEverythingWhoeverStillHoldsIt() throws Exception {
    Domain guest = machine.build(1);
    machine.control().seedGrant(guest.domid(), 9, driver.domid(), 8);
    long free = allocator.freeFrames();
    LocalServiceDomain ending = machine.startDriver();
    machine.control().seedGrant(guest.domid(), 10, ending.domid(), 9);
    ending.hypercalls().memory().populate(1, 8);
    Window own = ending.hypercalls().memory().window(1, 8, true);
    GrantedPage page = ending.hypercalls().grants().permit(0, 3, true);
    GrantMapping ofItsOwn = calls.mapGrant(ending.domid(), page.ref(), true);
    GrantMapping ofTheGuests = ending.hypercalls().mapGrant(guest.domid(), 10, true);
    Window shared = ofTheGuests.window().share();
    EventPort port = calls.allocUnbound(ending.domid(), () -> {});
    EventPort far = ending.hypercalls().bindInterdomain(0, port.port(), () -> {});

    ending.close();

    assertEquals(Errno.ESRCH, refusal(() -> ending.hypercalls().memory().populate(50, 1)));
    assertEquals(Errno.ESRCH, refusal(() -> ending.hypercalls().mapGrant(guest.domid(), 10, true)));
    assertThrows(WindowRevokedException.class, () -> own.getByte(0));
    assertThrows(WindowRevokedException.class, () -> shared.getByte(0));
    far.send();
    far.close();
    assertEquals(PortStatus.UNBOUND, calls.portStatus(SELF, port.port()).state());
    assertTrue(machine.hypervisor().exists(ending.domid()), "a user has not closed the window");
    shared.close();
    assertEquals(Optional.empty(), machine.control().domain(ending.domid()));
    assertTrue(machine.hypervisor().machineFrames().isOwner(ending.domid()), "mapped by domain 0");
    ofItsOwn.window().putInt(0, 1);
    ofItsOwn.close();
    assertFalse(machine.hypervisor().machineFrames().isOwner(ending.domid()));
    assertEquals(free, allocator.freeFrames());
    MachineScan.scan(machine.hypervisor());
  }

  @Test
  void callsOfManyThreadsMeetTheEndOfTheirDomain() throws Exception {
    Domain guest = machine.build(1);
    machine.control().seedGrant(guest.domid(), 9, 0, 8); // makes its grant table
    long free = allocator.freeFrames();
    for (int round = 0; round < 20; round++) {
      LocalServiceDomain ending = machine.startDriver();
      machine.control().seedGrant(guest.domid(), 9, ending.domid(), 8);
      List<CompletableFuture<Void>> users = new ArrayList<>();
      for (int i = 0; i < 4; i++) {
        int user = i;
        users.add(CompletableFuture.runAsync(() -> use(ending, guest.domid(), user)));
      }
      long until = System.nanoTime() + 1_000_000;
      while (System.nanoTime() < until) {
        Thread.onSpinWait();
      }
      ending.close();
      for (CompletableFuture<Void> each : users) {
        each.get(30, TimeUnit.SECONDS);
      }
      assertFalse(machine.hypervisor().exists(ending.domid()));
      assertEquals(free, allocator.freeFrames(), "round " + round);
    }
  }

  private static void use(LocalServiceDomain domain, int granter, int user) {
    Hypercalls calls = domain.hypercalls();
    try {
      while (true) {
        calls.memory().populate(user * 8L, 8);
        try (GrantMapping mapping = calls.mapGrant(granter, 9, true)) {
          mapping.window().putInt(0, user);
        }
        calls.memory().giveBack(user * 8L, 8);
      }
    } catch (HypercallException over) {
      assertEquals(Errno.ESRCH, over.errno());
    } catch (WindowRevokedException over) {
      assertTrue(domain.isClosed());
    }
  }

  @Test
  void aDomainThatHasShutDownDoesNothingMore() throws Exception {
    Semaphore handled = new Semaphore(0);
    EventPort near = calls.allocUnbound(driver.domid(), () -> {});
    other.bindInterdomain(0, near.port(), handled::release);
    assertTrue(handled.tryAcquire(10, TimeUnit.SECONDS));
    Semaphore told = new Semaphore(0);
    calls.bindVirq(Virq.DOM_EXC, told::release);
    other.shutdown(DomainInfo.POWEROFF);
    assertTrue(told.tryAcquire(10, TimeUnit.SECONDS), "domain 0 is told");
    assertEquals(Errno.ESRCH, refusal(() -> memory.populate(0, 1)));
    DomainInfo info = machine.control().domain(driver.domid()).orElseThrow();
    assertEquals(DomainInfo.State.SHUTDOWN, info.state());
    assertEquals(DomainInfo.POWEROFF, info.shutdownReason());
    LocalServiceDomain victim = machine.startDriver();
    calls.remoteShutdown(victim.domid(), DomainInfo.CRASH);
    assertEquals(
        DomainInfo.CRASH, machine.control().domain(victim.domid()).orElseThrow().shutdownReason());
    assertEquals(Errno.EPERM, refusal(() -> calls.remoteShutdown(0, DomainInfo.POWEROFF)));
    victim.close();
  }

  // ---- the rest

  @Test
  void callsAreCountedAsAGuestsAre() {
    other.version();
    memory.populate(0, 1);
    memory.populate(1, 1);
    assertEquals(Errno.EPERM, refusal(() -> other.control().pools()));
    List<CallCount> counts = machine.control().hypercallCounts(driver.domid());
    assertTrue(counts.contains(new CallCount("memory_op/6", 2, 0)), counts::toString);
    assertTrue(counts.contains(new CallCount("xen_version/6", 1, 0)), counts::toString);
    assertTrue(counts.contains(new CallCount("sysctl", 1, 0)), counts::toString);
  }

  @Test
  void theVersionSaysThatItIsTranslated() {
    HypervisorVersion version = other.version();
    assertEquals(4, version.major());
    assertTrue((version.features() & HypervisorVersion.AUTO_TRANSLATED_PHYSMAP) != 0);
    assertFalse(version.extra().isEmpty());
  }

  @Test
  void domain0WritesToTheMachinesConsole() {
    byte[] text = "x".repeat(20_000).getBytes(StandardCharsets.US_ASCII);
    calls.writeConsole(text);
    assertEquals(Errno.EPERM, refusal(() -> other.writeConsole(text)));
  }

  @Test
  void aServiceIsFoundUntilItIsWithdrawnOrReplaced() {
    ServiceRegistry registry = new ServiceRegistry();
    Runnable first = () -> {};
    Runnable second = () -> {};
    assertEquals(Optional.empty(), registry.find(Runnable.class));
    registry.publish(Runnable.class, first);
    registry.publish(Runnable.class, second);
    registry.withdraw(Runnable.class, first);
    assertEquals(Optional.of(second), registry.find(Runnable.class));
    registry.withdraw(Runnable.class, second);
    assertFalse(registry.find(Runnable.class).isPresent());
  }

  private static final IoHandler DEVICE =
      new IoHandler() {
        @Override
        public long load(long offset, int size) {
          return 0x55;
        }

        @Override
        public void store(long offset, int size, long value) {}
      };

  @Test
  void ioMemoryAndPortsAreClaimedOnceAndByThePrivilegedOnly() {
    long start = calls.ioMemoryStart();
    IoClaim claim = calls.claimIoMemory(start, 4, DEVICE);
    assertEquals(Errno.EBUSY, refusal(() -> calls.claimIoMemory(start + 3, 1, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(start - 1, 1, DEVICE)), "RAM");
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(start, 0, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(start, Long.MAX_VALUE, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(-1, 1, DEVICE)));
    assertEquals(Errno.EPERM, refusal(() -> other.claimIoMemory(start + 100, 1, DEVICE)));
    assertEquals(Errno.EPERM, refusal(() -> other.claimIoPorts(0x300, 1, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoPorts(0xFFFF, 2, DEVICE)));
    claim.close();
    calls.claimIoMemory(start + 3, 1, DEVICE);
    calls.claimIoPorts(0xFFFF, 1, DEVICE);
  }
}

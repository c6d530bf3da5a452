package dev.domus.kernel.servicedomain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.event.FakeMachine;
import dev.domus.kernel.event.ServiceEvents;
import dev.domus.kernel.grant.FakeGrantMachine;
import dev.domus.kernel.grant.GrantTable;
import dev.domus.kernel.grant.GrantWindows;
import dev.domus.kernel.io.IoClaims;
import dev.domus.kernel.io.IoSpace;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import dev.domus.kernel.xsm.AccessControl;
import dev.domus.kernel.xsm.PrivilegedDomains;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

@Timeout(value = 30, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TypedHypercallsTest {
  private final FakeMachine machine = new FakeMachine();
  private final FakeGrantMachine grantMachine = new FakeGrantMachine();
  private final AccessControl access =
      new AccessControl(new PrivilegedDomains(domid -> domid == 0), () -> {});
  private final IoSpace ioMemory = new IoSpace(12, 64, 1024);
  private final IoSpace ioPorts = new IoSpace(0, 0, 65536);
  private final ServiceEvents events = machine.service(0);
  private final ServiceEvents otherEvents = machine.service(3);
  private final TypedHypercalls calls = calls(events);
  private final TypedHypercalls other = calls(otherEvents);

  private TypedHypercalls calls(ServiceEvents of) {
    return new TypedHypercalls(
        of,
        new GrantWindows(of.domid(), grantMachine),
        new IoClaims(of.domid(), access, ioMemory, ioPorts),
        () -> {
          throw new HypercallException(Errno.EPERM, "domain " + of.domid() + " controls nobody");
        });
  }

  @AfterEach
  void close() {
    events.close();
    otherEvents.close();
    grantMachine.close();
  }

  @Test
  void twoServiceDomainsTalk() throws Exception {
    Semaphore here = new Semaphore(0);
    Semaphore there = new Semaphore(0);
    EventPort near = calls.allocUnbound(3, here::release);
    EventPort far = other.bindInterdomain(0, near.port(), there::release);
    assertTrue(there.tryAcquire(10, TimeUnit.SECONDS), "pending when bound");
    far.send();
    assertTrue(here.tryAcquire(10, TimeUnit.SECONDS));
    near.send();
    assertTrue(there.tryAcquire(10, TimeUnit.SECONDS));
    far.close();
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
    HypercallException twice =
        assertThrows(HypercallException.class, () -> calls.bindVirq(Virq.DOM_EXC, () -> {}));
    assertEquals(Errno.EEXIST, twice.errno());
    assertEquals(Errno.EPERM, assertThrows(HypercallException.class, other::control).errno());
  }

  @Test
  void aPortWhoseHandlerFailedDoesNotTouchItsSuccessor() throws Exception {
    EventPort victim = other.allocUnbound(0, () -> {});
    EventPort failing =
        calls.bindInterdomain(
            3,
            victim.port(),
            () -> {
              throw new IllegalStateException("this stack trace in the log is part of the test");
            });
    while (events.channels().isBound(failing.port())) {
      Thread.onSpinWait();
    }
    Semaphore handled = new Semaphore(0);
    EventPort fresh = calls.bindInterdomain(3, victim.port(), handled::release);
    assertTrue(handled.tryAcquire(10, TimeUnit.SECONDS));
    assertEquals(failing.port(), fresh.port());
    failing.close();
    assertTrue(events.channels().isBound(fresh.port()));
    victim.send();
    assertTrue(handled.tryAcquire(10, TimeUnit.SECONDS));
  }

  @Test
  void grantsAreMappedAsWindowsAndRefusedWithReason() {
    GrantTable granter = grantMachine.domain(7);
    long mfn = grantMachine.ram(7);
    grantMachine.grant(granter, 1, GrantEntryLayout.PERMIT_ACCESS, 0, mfn);
    try (GrantMapping mapping = calls.mapGrant(7, 1, true)) {
      mapping.window().putInt(8, 0x1234);
      assertEquals(0x1234, mapping.window().getInt(8));
    }
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, grantMachine.flags(granter, 1));
    HypercallException refused =
        assertThrows(HypercallException.class, () -> other.mapGrant(7, 1, false));
    assertEquals(Errno.EPERM, refused.errno());
    assertEquals(
        "domain 3 cannot map grant 1 of domain 7 for reading: status=-1 (EPERM)",
        refused.getMessage());
    assertEquals(
        Errno.ESRCH,
        assertThrows(HypercallException.class, () -> calls.mapGrant(8, 1, false)).errno());
    assertEquals(
        Errno.EINVAL,
        assertThrows(HypercallException.class, () -> calls.mapGrant(7, 512, false)).errno());
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

  private static int refusal(Executable claim) {
    return assertThrows(HypercallException.class, claim).errno();
  }

  @Test
  void ioMemoryAndPortsAreClaimedOnceAndByThePrivilegedOnly() {
    assertEquals(64, calls.ioMemoryStart());
    IoClaim claim = calls.claimIoMemory(64, 4, DEVICE);
    assertEquals(0x55, ioMemory.load(67 << 12, 1));
    assertEquals(Errno.EBUSY, refusal(() -> calls.claimIoMemory(67, 1, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(63, 1, DEVICE)), "RAM");
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(64, 0, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(64, Long.MAX_VALUE, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoMemory(-1, 1, DEVICE)));
    assertEquals(Errno.EPERM, refusal(() -> other.claimIoMemory(100, 1, DEVICE)));
    assertEquals(Errno.EPERM, refusal(() -> other.claimIoPorts(0x300, 1, DEVICE)));
    assertEquals(Errno.EINVAL, refusal(() -> calls.claimIoPorts(0xFFFF, 2, DEVICE)));
    claim.close();
    assertEquals(0xFF, ioMemory.load(67 << 12, 1), "nobody is there");
    calls.claimIoMemory(67, 1, DEVICE);
    calls.claimIoPorts(0xFFFF, 1, DEVICE);
    assertEquals(0x55, ioPorts.load(0xFFFF, 1));
  }
}

package dev.domus.kernel.xsm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import java.text.MessageFormat;
import java.util.List;
import java.util.ResourceBundle;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Who may do what by default, what is kept and logged of refusals, and policies that are replaced
 * or broken.
 */
class AccessControlTest {
  private static final int PRIVILEGED = 7, ORDINARY = 8, OTHER = 9, WATCHER = 10;

  /** For policies that never answer; an honest one may be late by so much on a busy host. */
  private static final long LITTLE_PATIENCE_NANOS = 20_000_000;

  private int changes;
  private final Log log = new Log();
  private AccessControl access = control(PolicyGuard.PATIENCE_NANOS);

  private AccessControl control(long patienceNanos) {
    return new AccessControl(
        new PrivilegedDomains(
            domid -> domid == 0 || domid == PRIVILEGED, domid -> domid == WATCHER),
        () -> changes++,
        log,
        patienceNanos);
  }

  @AfterEach
  void close() {
    access.close();
  }

  @Test
  void domain0AndAPrivilegedDomainMayDoEverythingToEverybody() {
    for (Operation operation : Operation.values()) {
      assertEquals(0, access.check(operation, 0, OTHER, 0), operation::name);
      assertEquals(0, access.check(operation, PRIVILEGED, OTHER, 0), operation::name);
      assertEquals(0, access.check(operation, PRIVILEGED, PRIVILEGED, 0), operation::name);
      assertEquals(0, access.check(operation, PRIVILEGED, Domid.XEN, 0), operation::name);
    }
  }

  @Test
  void whoIsToldThatDomainsEndMayAskAboutThemAndNothingElse() {
    for (Operation operation : Operation.values()) {
      for (int command : new int[] {0, DomctlLayout.GET_DOMAIN_INFO, DomctlLayout.GET_VCPU_INFO}) {
        boolean asks = operation == Operation.DOMCTL && command == DomctlLayout.GET_DOMAIN_INFO;
        assertEquals(
            asks ? 0 : -Errno.EPERM,
            access.check(operation, WATCHER, OTHER, command),
            () -> operation + " " + command);
      }
    }
  }

  @Test
  void anOrdinaryDomainMayActOnItselfOnlyAndOnlyWithoutPrivilege() {
    for (Operation operation : Operation.values()) {
      assertEquals(-Errno.EPERM, access.check(operation, ORDINARY, OTHER, 0), operation::name);
      assertEquals(-Errno.EPERM, access.check(operation, ORDINARY, 0, 0), operation::name);
    }
    assertEquals(0, access.check(Operation.ADJUST_MEMORY, ORDINARY, ORDINARY, 0));
    assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, ORDINARY, ORDINARY, 0));
    assertEquals(-Errno.EPERM, access.check(Operation.IO_MEMORY, ORDINARY, ORDINARY, 0));
    assertEquals(-Errno.EPERM, access.check(Operation.SYSCTL, ORDINARY, Domid.XEN, 0));
  }

  @Test
  void theCallerWhoWasRefusedLongestAgoMakesRoom() {
    for (int caller = 1; caller <= 257; caller++) {
      assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 1000 + caller, OTHER, 0));
    }
    List<Denial> denials = access.denials();
    assertEquals(256, denials.size());
    assertEquals(1002, denials.getFirst().caller());
    assertEquals(1257, denials.getLast().caller());
  }

  @Test
  void refusalsAreCountedByWhoAskedWhatAboutWhom() {
    for (int i = 0; i < 100; i++) {
      access.check(Operation.DOMCTL, ORDINARY, OTHER, i);
    }
    access.check(Operation.DOMCTL, ORDINARY, 0, 4);
    access.check(Operation.MAP_FRAMES, OTHER, ORDINARY, 5);
    assertEquals(101, access.refusals(Operation.DOMCTL));
    assertEquals(1, access.refusals(Operation.MAP_FRAMES));
    assertEquals(0, access.refusals(Operation.SYSCTL));
    List<Denial> denials = access.denials();
    assertEquals(
        List.of(
            new Denial(Operation.DOMCTL, ORDINARY, OTHER, 100, 99),
            new Denial(Operation.DOMCTL, ORDINARY, 0, 1, 4),
            new Denial(Operation.MAP_FRAMES, OTHER, ORDINARY, 1, 5)),
        denials);
    assertEquals(
        "domain 9 may not map frames of domain 8: detail=0x5", denials.getLast().toString());
  }

  @Test
  void whatOneDomainIsRefusedNeitherGrowsWithoutBoundNorPushesOutWhatAnotherWas() {
    access.check(Operation.REMOTE_SHUTDOWN, OTHER, 0, 3);
    for (int target = 0; target < 10_000; target++) {
      access.check(Operation.DOMCTL, ORDINARY, target, target);
      access.check(Operation.EVENT_CHANNELS, ORDINARY, ORDINARY + 1 + target, 0);
    }
    List<Denial> denials = access.denials();
    assertTrue(denials.size() <= 1 + 64, () -> denials.size() + " rows");
    assertEquals(new Denial(Operation.REMOTE_SHUTDOWN, OTHER, 0, 1, 3), denials.getFirst());
    assertEquals(
        20_000, denials.stream().skip(1).mapToLong(Denial::count).sum(), "each is in some row");
    assertTrue(
        denials.stream().anyMatch(d -> d.target() == Domid.INVALID && d.count() > 9_000),
        "the rest is counted as others");
  }

  @Test
  void aGuestThatAsksForEverGetsALineForEachPowerOfTwo() {
    int lines =
        linesOf(() -> {
          for (int i = 0; i < 1 << 16; i++) {
            access.check(Operation.DOMCTL, ORDINARY, OTHER, i);
          }
          access.check(Operation.DOMCTL, OTHER, ORDINARY, 0);
        });
    assertEquals(17 + 1, lines, "1, 2, 4, … 65536, and the other domain's first");
  }

  @Test
  void aPolicyThatFailsRefusesAndFillsNoLogEither() {
    access.setPolicy(
        "broken",
        (operation, caller, target, detail) -> {
          throw new IllegalStateException("broken on purpose");
        });
    int lines =
        linesOf(() -> {
          for (int i = 0; i < 1 << 10; i++) {
            assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 0, OTHER, 1));
          }
        });
    assertEquals(2 * 11, lines, "of the failure and of the refusal, for each power of two");
    assertEquals(1 << 10, access.refusals(Operation.DOMCTL));
  }

  @Test
  void whateverAPolicyThrowsIsARefusal() {
    for (Throwable thrown :
        List.of(
            new AssertionError(),
            new NoClassDefFoundError(),
            new StackOverflowError(),
            new Exception("sneaked out"))) {
      access.setPolicy(
          "broken", (operation, caller, target, detail) -> AccessControlTest.sneak(thrown));
      assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 0, OTHER, 1), thrown::toString);
    }
  }

  @SuppressWarnings("unchecked") // the point: a checked exception where none is declared
  private static <T extends Throwable> boolean sneak(Throwable thrown) throws T {
    throw (T) thrown;
  }

  @Test
  void aPolicyIsReplacedAndTheBuiltInOneComesBack() {
    access.setPolicy("ones", (operation, caller, target, detail) -> detail == 1);
    assertEquals("ones", access.policyName());
    assertEquals(0, access.check(Operation.DOMCTL, ORDINARY, OTHER, 1));
    assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 0, OTHER, 2));
    assertEquals(1, changes, "the change is announced");
    access.resetPolicy();
    assertEquals("default", access.policyName());
    assertEquals(0, access.check(Operation.DOMCTL, 0, OTHER, 2));
  }

  @Test
  void nothingKeepsDomain0FromReplacingAPolicyThatRefusesEverything() {
    access.setPolicy("nothing", (operation, caller, target, detail) -> false);
    assertEquals(0, access.check(Operation.ACCESS_POLICY, 0, Domid.XEN, 1));
    assertEquals(-Errno.EPERM, access.check(Operation.ACCESS_POLICY, PRIVILEGED, Domid.XEN, 1));
  }

  @Test
  void aPolicyThatHangsIsInterruptedRefusesAndLosesItsOffice() throws Exception {
    access = control(LITTLE_PATIENCE_NANOS);
    CountDownLatch never = new CountDownLatch(1);
    access.setPolicy("sleeper", hangsOn(never));
    assertEquals(-Errno.EPERM, access.check(Operation.ADJUST_MEMORY, ORDINARY, ORDINARY, 0));
    assertFalse(Thread.interrupted(), "the interrupt was the policy's");
    awaitDeposed();
    assertEquals("none, because sleeper hung", access.policyName());
    assertEquals(-Errno.EPERM, access.check(Operation.ADJUST_MEMORY, ORDINARY, ORDINARY, 0));
    assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, PRIVILEGED, OTHER, 0));
    assertEquals(0, access.check(Operation.DOMCTL, 0, OTHER, 0));
    access.resetPolicy();
    assertEquals(0, access.check(Operation.ADJUST_MEMORY, ORDINARY, ORDINARY, 0));
  }

  /** A policy that answers yes when it is interrupted. */
  private static AccessPolicy hangsOn(CountDownLatch latch) {
    return (operation, caller, target, detail) -> {
      try {
        latch.await();
      } catch (InterruptedException givenUp) {
        return true;
      }
      return true;
    };
  }

  @Test
  void whoHungDoesNotTakeTheOfficeOfHisSuccessor() throws Exception {
    access = control(LITTLE_PATIENCE_NANOS);
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch never = new CountDownLatch(1);
    AccessPolicy sleeper = hangsOn(never);
    access.setPolicy(
        "sleeper",
        (operation, caller, target, detail) -> {
          asked.countDown();
          return sleeper.permits(operation, caller, target, detail);
        });
    int[] answer = new int[1];
    Thread vcpu = new Thread(() -> answer[0] = access.check(Operation.DOMCTL, 0, OTHER, 0));
    vcpu.start();
    asked.await();
    access.setPolicy("successor", (operation, caller, target, detail) -> true);
    vcpu.join();
    assertEquals(-Errno.EPERM, answer[0]);
    assertEquals("successor", access.policyName());
  }

  private void awaitDeposed() throws InterruptedException {
    log.await("out of force"); // which is said when it is so
  }

  /** How many lines are logged meanwhile. */
  private int linesOf(Runnable action) {
    int before = log.lines.size();
    action.run();
    return log.lines.size() - before;
  }

  /** A log that is kept. */
  private static final class Log implements System.Logger {
    final List<String> lines = new CopyOnWriteArrayList<>();

    /** Waits until a line is logged that contains a text. */
    synchronized void await(String part) throws InterruptedException {
      while (lines.stream().noneMatch(line -> line.contains(part))) {
        wait();
      }
    }

    private synchronized void add(String line) {
      lines.add(line);
      notifyAll();
    }

    @Override
    public String getName() {
      return "log";
    }

    @Override
    public boolean isLoggable(Level level) {
      return true;
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
      add(message);
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
      add(MessageFormat.format(format, parameters));
    }
  }
}

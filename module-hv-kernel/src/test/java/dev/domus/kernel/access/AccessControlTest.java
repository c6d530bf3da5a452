package dev.domus.kernel.access;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Who may do what by default, what is kept of refusals, and policies that are replaced or broken.
 */
class AccessControlTest {
  private static final int PRIVILEGED = 7, ORDINARY = 8, OTHER = 9;

  private int changes;
  private final AccessControl access =
      new AccessControl(
          new PrivilegedDomains(domid -> domid == 0 || domid == PRIVILEGED), () -> changes++);

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
  void refusalsAreCountedByOperationAndTheLastOnesKept() {
    for (int i = 0; i < 100; i++) {
      access.check(Operation.DOMCTL, ORDINARY, OTHER, i);
    }
    access.check(Operation.MAP_FRAMES, OTHER, ORDINARY, 5);
    assertEquals(100, access.refusals(Operation.DOMCTL));
    assertEquals(1, access.refusals(Operation.MAP_FRAMES));
    assertEquals(0, access.refusals(Operation.SYSCTL));
    List<Denial> denials = access.denials();
    assertEquals(64, denials.size());
    assertEquals(new Denial(Operation.DOMCTL, ORDINARY, OTHER, 37), denials.getFirst());
    assertEquals(new Denial(Operation.MAP_FRAMES, OTHER, ORDINARY, 5), denials.getLast());
    assertEquals(
        "domain 9 may not map frames of domain 8: detail=0x5", denials.getLast().toString());
  }

  @Test
  void aPolicyIsReplacedAndOneThatThrowsRefuses() {
    access.setPolicy((operation, caller, target, detail) -> detail == 1);
    assertEquals(0, access.check(Operation.DOMCTL, ORDINARY, OTHER, 1));
    assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 0, OTHER, 2));
    access.setPolicy((operation, caller, target, detail) -> {
      throw new IllegalStateException("broken on purpose");
    });
    assertEquals(-Errno.EPERM, access.check(Operation.DOMCTL, 0, OTHER, 1));
    assertEquals(2, access.refusals(Operation.DOMCTL));
    assertEquals(2, changes, "each change is announced");
  }
}

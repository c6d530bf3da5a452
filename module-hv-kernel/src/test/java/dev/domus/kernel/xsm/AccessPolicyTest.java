package dev.domus.kernel.xsm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.access.AccessPolicy;
import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.access.Denial;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domctl.DomainControl;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Policies of plugins, set by domain 0 while a guest runs and asks. */
@Timeout(60)
class AccessPolicyTest {
  private static final String ALLOWS_ONE = "allows-one", CLUMSY = "clumsy";

  private TinyMachine machine;
  private Control control;
  private ScriptedVcpu guest;

  /** Permits one operation beside what the built-in policy does. */
  private static final class AllowsOne implements AccessPolicyFactory {
    @Override
    public String name() {
      return ALLOWS_ONE;
    }

    @Override
    public String description() {
      return "one operation more";
    }

    @Override
    public AccessPolicy create(Optional<String> argument, AccessPolicy builtIn) {
      Operation more = Operation.valueOf(argument.orElse("")); // throws, as the SPI says
      return (operation, caller, target, detail) ->
          operation == more || builtIn.permits(operation, caller, target, detail);
    }
  }

  /** Makes no policy, or throws what it likes. */
  private static final class Clumsy implements AccessPolicyFactory {
    @Override
    public String name() {
      return CLUMSY;
    }

    @Override
    public String description() {
      return "breaks what it is given";
    }

    @Override
    public AccessPolicy create(Optional<String> argument, AccessPolicy builtIn) {
      if (argument.isPresent()) {
        throw new AssertionError(argument.get());
      }
      return null;
    }
  }

  @BeforeEach
  void start() {
    machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
    control =
        new DomainControl(
            machine.hypervisor(),
            Map.of(),
            Map.of(),
            Map.of(ALLOWS_ONE, new AllowsOne(), CLUMSY, new Clumsy()));
    machine.start();
    guest = machine.engine().vcpu(0);
  }

  @AfterEach
  void stop() {
    machine.close();
  }

  private long writeNothingToTheMachinesConsole() {
    return guest.hypercall(HypercallNumber.CONSOLE_IO, 0, 0, 0);
  }

  @Test
  void aPolicyHoldsFromTheMomentItIsSetUntilAnotherIs() {
    assertEquals("default", control.accessPolicy());
    assertEquals(-Errno.EPERM, writeNothingToTheMachinesConsole());
    control.setAccessPolicy(ALLOWS_ONE, Optional.of("CONSOLE_IO"));
    assertEquals(ALLOWS_ONE, control.accessPolicy());
    assertEquals(0, writeNothingToTheMachinesConsole());
    control.setAccessPolicy(ALLOWS_ONE, Optional.of("SYSCTL"));
    assertEquals(-Errno.EPERM, writeNothingToTheMachinesConsole());
    control.setAccessPolicy("default", Optional.empty());
    assertEquals(-Errno.EPERM, writeNothingToTheMachinesConsole());
    int domid = machine.hypervisor().domains().getFirst().domid();
    assertEquals(
        List.of(new Denial(Operation.CONSOLE_IO, domid, Domid.XEN, 3, 0)), control.denials());
  }

  @Test
  void aPolicyThatCannotBeMadeLeavesTheOldOneInForce() {
    control.setAccessPolicy(ALLOWS_ONE, Optional.of("CONSOLE_IO"));
    for (Runnable attempt :
        List.<Runnable>of(
            () -> control.setAccessPolicy("flask", Optional.empty()),
            () -> control.setAccessPolicy("default", Optional.of("x")),
            () -> control.setAccessPolicy(ALLOWS_ONE, Optional.empty()),
            () -> control.setAccessPolicy(CLUMSY, Optional.empty()),
            () -> control.setAccessPolicy(CLUMSY, Optional.of("on purpose")))) {
      HypercallException refused = assertThrows(HypercallException.class, attempt::run);
      assertEquals(Errno.EINVAL, refused.errno(), refused::getMessage);
    }
    assertEquals(ALLOWS_ONE, control.accessPolicy());
    assertEquals(0, writeNothingToTheMachinesConsole());
  }

  @Test
  void onlyDomain0AndWhomThePolicyPermitsSeeOrReplaceIt() {
    DomainControl ofGuest = machine.hypervisor().control().as(1);
    assertEquals(Errno.EPERM, assertThrows(HypercallException.class, ofGuest::denials).errno());
    assertEquals(
        Errno.EPERM,
        assertThrows(
                HypercallException.class,
                () -> ofGuest.setAccessPolicy("default", Optional.empty()))
            .errno());
    control.setAccessPolicy(ALLOWS_ONE, Optional.of("ACCESS_POLICY"));
    assertTrue(ofGuest.denials().size() >= 1);
    ofGuest.setAccessPolicy("default", Optional.empty());
    assertEquals("default", control.accessPolicy());
  }
}

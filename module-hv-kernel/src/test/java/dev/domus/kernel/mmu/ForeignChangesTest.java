package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.testing.TinyMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** From when on vCPUs reckon with other domains that change their tables. */
class ForeignChangesTest {
  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);

  @AfterEach
  void close() {
    machine.close();
  }

  private void assertRuns(Domain domain) {
    assertFalse(domain.paused());
    assertEquals(
        4 << 16 | 17, machine.engine().vcpu(0).hypercall(HypercallNumber.XEN_VERSION, 0, 0));
  }

  @Test
  void theFirstPrivilegedDomainIsReckonedWithByThoseThatRun() {
    Domain plain = machine.start();
    machine.build(1);
    assertFalse(machine.hypervisor().foreignChanges());
    machine.buildPrivileged(1);
    assertTrue(machine.hypervisor().foreignChanges());
    assertRuns(plain);
  }

  @Test
  void soIsAnotherPolicy() {
    Domain plain = machine.start();
    machine.hypervisor().access().setPolicy("all may", (operation, caller, target, detail) -> true);
    assertTrue(machine.hypervisor().foreignChanges());
    assertRuns(plain);
  }
}

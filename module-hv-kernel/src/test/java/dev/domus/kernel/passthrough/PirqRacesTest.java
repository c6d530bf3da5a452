package dev.domus.kernel.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.pci.ScriptedDevice;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.testing.TinyMachine;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A device that raises without end, while what it raises is taken away. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class PirqRacesTest {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final int COMMAND = 4, MEMORY_AND_MASTER = 6;
  private static final int ROUNDS = 500;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Hypercalls domain0 = machine.startDomain0().hypercalls();
  private final AtomicBoolean over = new AtomicBoolean();
  private ScriptedDevice device;
  private CompletableFuture<Void> storm;

  @BeforeEach
  void start() {
    machine.control().plugDevice("scripted", ID, Map.of("vectors", "2"));
    device = machine.devices().made.getFirst();
    storm =
        CompletableFuture.runAsync(() -> {
          while (!over.get()) {
            device.bus.interrupt(0);
            device.bus.interrupt(1);
          }
        });
  }

  @AfterEach
  void end() throws Exception {
    over.set(true);
    storm.get(10, TimeUnit.SECONDS);
    machine.close();
  }

  private void give(Domain domain) {
    machine.control().assignDevice(domain.domid(), ID);
    domain0.writeConfig(ID, COMMAND, 2, MEMORY_AND_MASTER);
  }

  private static void awaitPending(Domain domain, int port) {
    while (!domain.events().isPending(port)) {
      Thread.onSpinWait();
    }
  }

  /** No interrupt is lost to a port that is bound, and none comes to one that is not its. */
  @Test
  void interruptsMeetBindingClosingAndUnmapping() {
    Domain domain = machine.build(1);
    give(domain);
    for (int round = 0; round < ROUNDS; round++) {
      int pirq = domain.devices().mapPirq(ID, round & 1, true, -1);
      assertTrue(pirq > 0, () -> "map_pirq: " + pirq);
      int port = domain.devices().bindPirq(pirq);
      awaitPending(domain, port);
      if ((round & 2) == 0) {
        assertEquals(0, domain.devices().unmapPirq(pirq));
        assertEquals(0, domain.events().close(port));
      } else {
        assertEquals(0, domain.events().close(port));
        assertEquals(0, domain.devices().unmapPirq(pirq));
      }
      int plain = domain.events().allocUnbound(domain.domid(), 0);
      assertEquals(port, plain, "the port's number is used again at once");
      assertFalse(domain.events().isPending(plain), "it is pending for a device");
      assertEquals(0, domain.events().close(plain));
    }
  }

  @Test
  void interruptsMeetTheOwnersEndAndTheNextOwner() {
    for (int round = 0; round < 20; round++) {
      Domain domain = machine.build(1);
      give(domain);
      int port = domain.devices().bindPirq(domain.devices().mapPirq(ID, 0, true, -1));
      awaitPending(domain, port);
      machine.control().destroyDomain(domain.domid());
      assertEquals(PciDevice.State.UNASSIGNED, machine.control().pciDevices().getFirst().state());
    }
  }

  @Test
  void interruptsMeetTheFailureOfTheirDevice() {
    Domain domain = machine.build(1);
    give(domain);
    int port = domain.devices().bindPirq(domain.devices().mapPirq(ID, 0, true, -1));
    awaitPending(domain, port);
    device.bus.fail("told to");
    PciDevice picture = machine.control().pciDevices().getFirst();
    assertEquals(PciDevice.State.FAILED, picture.state());
    assertEquals("told to", picture.reason());
    assertEquals(domain.domid(), picture.owner().orElseThrow());
    assertEquals(0, domain.events().close(port));
    int again = domain.devices().bindPirq(domain.devices().mapPirq(ID, 1, true, -1));
    assertFalse(domain.events().isPending(again), "a failed device interrupts");
    machine.control().destroyDomain(domain.domid());
    machine.control().unplugDevice(ID);
    assertTrue(machine.control().pciDevices().isEmpty());
  }
}

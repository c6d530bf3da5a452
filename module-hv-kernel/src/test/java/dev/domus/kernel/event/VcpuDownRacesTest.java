package dev.domus.kernel.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.trap.TrapState;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One vCPU takes another down and up again, while a third party sends events to the latter. */
@Timeout(120)
class VcpuDownRacesTest {
  private static final long HANDLER = 0x8000, CODE = 0x5000, STACK = 14 << 12;
  private static final int DOWN = 2, UP = 1, ROUNDS = 300;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 2);
  private final AtomicLong entries = new AtomicLong();
  private final AtomicLong upcalls = new AtomicLong();
  private Vcpu second;
  private int port;

  @AfterEach
  void close() {
    machine.close();
  }

  /** The second vCPU: takes upcalls, and counts them and how often it is run. */
  private Exit guestCode(CpuState s) {
    entries.incrementAndGet();
    if (s.rip == HANDLER) {
      long info = second.vcpuInfo();
      var memory = machine.hypervisor().memory();
      memory.set(ValueLayout.JAVA_BYTE, info + SharedInfoLayout.UPCALL_PENDING, (byte) 0);
      memory.set(ValueLayout.JAVA_LONG, info + SharedInfoLayout.PENDING_SEL, 0);
      takePending();
      upcalls.incrementAndGet();
      s.rip = CODE;
      s.gpr[CpuState.RSP] = STACK;
      second.setUpcallMask(0);
    }
    return Exit.BUDGET;
  }

  private void takePending() {
    long at = second.domain().sharedInfo() + SharedInfoLayout.EVTCHN_PENDING;
    ValueLayout.OfLong.JAVA_LONG
        .varHandle()
        .getAndBitwiseAnd(machine.hypervisor().memory(), at, ~(1L << port));
  }

  @Test
  void aVcpuThatGoesDownDuringUpcallsStopsAndFindsThemWhenItIsUpAgain() throws Exception {
    Domain domain = machine.build(2);
    second = domain.vcpu(1);
    TableWork work = TableWork.toTheEnd();
    assertEquals(
        0, domain.mmu().roots().newBasePointer(second, domain.vcpu(0).kernelTable(), work));
    work.finish();
    second.traps().setCallback(TrapState.CALLBACK_EVENT, HANDLER, true);
    second.state().rip = CODE;
    second.state().cs = TrapState.FLAT_KERNEL_CS;
    second.state().ss = TrapState.FLAT_KERNEL_SS;
    second.state().gpr[CpuState.RSP] = STACK;
    second.setInitialised();
    second.setUpcallMask(0);
    port = domain.events().bindIpi(1);
    ScriptedVcpu first = machine.engine().vcpu(0);
    machine.engine().vcpu(1).storm(this::guestCode);
    machine.control().unpause(domain.domid());

    AtomicBoolean over = new AtomicBoolean();
    CompletableFuture<Void> sender =
        CompletableFuture.runAsync(() -> {
          while (!over.get()) {
            domain.events().send(port);
          }
        });
    for (int round = 0; round < ROUNDS; round++) {
      assertEquals(0, first.hypercall(HypercallNumber.VCPU_OP, UP, 1));
      long before = upcalls.get();
      Await.until("it takes upcalls", () -> upcalls.get() > before);
      assertEquals(0, first.hypercall(HypercallNumber.VCPU_OP, DOWN, 1));
      assertEquals(0, first.hypercall(HypercallNumber.VCPU_OP, 3, 1), "is_up");
      second.unit().pauseAndWait(); // off its pCPU, and not because it is paused
      second.unit().resume();
      long stopped = entries.get();
      assertEquals(0, domain.events().send(port));
      assertEquals(stopped, entries.get(), "it runs nothing while it is down");
    }
    over.set(true);
    sender.get();
    takePending();
    assertEquals(0, domain.events().send(port)); // the last event comes while it is down
    long before = upcalls.get();
    assertEquals(0, first.hypercall(HypercallNumber.VCPU_OP, UP, 1));
    Await.until("what came meanwhile is delivered", () -> upcalls.get() > before);
    assertEquals(-1, domain.shutdownReason());
    assertTrue(upcalls.get() > ROUNDS);
  }
}

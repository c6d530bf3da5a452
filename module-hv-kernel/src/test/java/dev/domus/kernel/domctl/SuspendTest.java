package dev.domus.kernel.domctl;

import static dev.domus.kernel.domctl.PrivilegedGuest.ARG;
import static dev.domus.kernel.domctl.PrivilegedGuest.BUFFER;
import static dev.domus.kernel.domctl.PrivilegedGuest.U;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Domains that have shut down and go on, and who is told when one suspends. */
@Timeout(60)
final class SuspendTest {
  private static final int SHUTDOWN = 2, SET_MEMORY_MAP = 13, MEMORY_MAP = 9;

  private PrivilegedGuest manager;
  private Domain child;
  private ScriptedVcpu vcpu;

  @BeforeEach
  void start() {
    manager = new PrivilegedGuest(TestSchedulers.roundRobin());
    child = manager.machine.start();
    vcpu = manager.machine.engine().vcpu(1);
  }

  @AfterEach
  void stop() {
    manager.close();
  }

  private CompletableFuture<CpuState> shutDown(int reason) {
    child.vcpu(0).guest().putInt(ARG, reason);
    CompletableFuture<CpuState> later =
        vcpu.submit(s -> ScriptedVcpu.syscall(s, HypercallNumber.SCHED_OP, SHUTDOWN, ARG));
    Await.until("it has shut down", () -> child.shutdownReason() == reason);
    return later;
  }

  @Test
  void aDomainThatHasShutDownGoesOnBehindItsHypercall() throws Exception {
    for (int reason : new int[] {DomainInfo.SUSPEND, DomainInfo.POWEROFF, DomainInfo.SUSPEND}) {
      CompletableFuture<CpuState> later = shutDown(reason);
      assertFalse(child.mayRun());
      assertEquals(0, manager.domctl(DomctlLayout.RESUME_DOMAIN, child.domid()));
      assertEquals(0, later.get(20, TimeUnit.SECONDS).gpr[CpuState.RAX]);
      assertEquals(-1, child.shutdownReason());
      assertEquals(4 << 16 | 17, vcpu.hypercall(HypercallNumber.XEN_VERSION, 0));
    }
    assertEquals(0, manager.domctl(DomctlLayout.RESUME_DOMAIN, child.domid()), "it runs: nothing");
    assertEquals(4 << 16 | 17, vcpu.hypercall(HypercallNumber.XEN_VERSION, 0));
  }

  @Test
  void aReasonThatWasPresetIsForgottenToo() throws Exception {
    child.presetShutdownReason(DomainInfo.REBOOT);
    assertEquals(0, manager.domctl(DomctlLayout.RESUME_DOMAIN, child.domid()));
    shutDown(DomainInfo.POWEROFF);
  }

  @Test
  void whoIsPausedIsStillPausedWhenItGoesOn() {
    shutDown(DomainInfo.SUSPEND);
    assertEquals(0, manager.domctl(DomctlLayout.PAUSE_DOMAIN, child.domid()));
    assertEquals(0, manager.domctl(DomctlLayout.RESUME_DOMAIN, child.domid()));
    assertTrue(child.paused());
    assertEquals(0, manager.domctl(DomctlLayout.UNPAUSE_DOMAIN, child.domid()));
    assertEquals(4 << 16 | 17, vcpu.hypercall(HypercallNumber.XEN_VERSION, 0));
  }

  @Test
  void nobodyResumesItselfOrWhatIsNotThere() {
    int self = manager.domain.domid();
    assertEquals(-Errno.EINVAL, manager.domctl(DomctlLayout.RESUME_DOMAIN, self));
    assertEquals(-Errno.ESRCH, manager.domctl(DomctlLayout.RESUME_DOMAIN, 999));
  }

  @Test
  void whoSubscribesHearsOfSuspensionAndOfNothingElse() {
    int domains = manager.domain.events().bindVirq(Virq.DOM_EXC, 0);
    manager.machine.hypervisor().virqs().setHandler(Virq.DOM_EXC, manager.domain.domid());
    int far = child.events().allocUnbound(child.domid(), manager.domain.domid());
    int near = manager.domain.events().bindInterdomain(child.domid(), far);
    manager.domain.vcpu(0).setUpcallMask(1);
    int spare = manager.domain.events().close(near); // a channel is pending when it is bound
    assertEquals(0, spare);
    near = manager.domain.events().allocUnbound(manager.domain.domid(), child.domid());
    int port = child.events().bindInterdomain(manager.domain.domid(), near);
    manager.clear(ARG);
    manager.putInt(U, port);
    assertEquals(0, manager.domctl(DomctlLayout.SUBSCRIBE, child.domid()));
    shutDown(DomainInfo.SUSPEND);
    int told = near;
    Await.until("it is told", () -> manager.domain.events().isPending(told));
    assertFalse(manager.domain.events().isPending(domains));

    manager.domctl(DomctlLayout.RESUME_DOMAIN, child.domid());
    shutDown(DomainInfo.POWEROFF);
    Await.until("all are told", () -> manager.domain.events().isPending(domains));
  }

  @Test
  void aMemoryMapIsWhatTheToolstackSays() {
    manager.clear(BUFFER);
    manager.putLong(BUFFER, 0x1000);
    manager.putLong(BUFFER + 8, 0x7000);
    manager.putInt(BUFFER + 16, 2);
    manager.putLong(BUFFER + 20, 0x100000);
    manager.clear(ARG);
    manager.putInt(ARG, child.domid());
    manager.putInt(ARG + 8, 2);
    manager.putLong(ARG + 16, BUFFER);
    ScriptedVcpu guest = manager.vcpu;
    assertEquals(0, guest.hypercall(HypercallNumber.MEMORY_OP, SET_MEMORY_MAP, ARG));
    child.vcpu(0).guest().putLong(ARG, 9);
    child.vcpu(0).guest().putLong(ARG + 8, BUFFER);
    assertEquals(0, vcpu.hypercall(HypercallNumber.MEMORY_OP, MEMORY_MAP, ARG));
    assertEquals(2, child.vcpu(0).guest().getInt(ARG));
    assertEquals(0x7000, child.vcpu(0).guest().getLong(BUFFER + 8));
    assertEquals(0x100000, child.vcpu(0).guest().getLong(BUFFER + 20));

    manager.putInt(ARG + 8, 1025);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.MEMORY_OP, SET_MEMORY_MAP, ARG));
    manager.putInt(ARG, 999);
    manager.putInt(ARG + 8, 0);
    assertEquals(-Errno.ESRCH, guest.hypercall(HypercallNumber.MEMORY_OP, SET_MEMORY_MAP, ARG));
    child.vcpu(0).guest().putLong(ARG, manager.domain.domid());
    child.vcpu(0).guest().putLong(ARG + 8, 0);
    assertEquals(-Errno.EPERM, vcpu.hypercall(HypercallNumber.MEMORY_OP, SET_MEMORY_MAP, ARG));
    child.vcpu(0).guest().putLong(ARG, Domid.SELF);
    assertEquals(0, vcpu.hypercall(HypercallNumber.MEMORY_OP, SET_MEMORY_MAP, ARG));
    assertEquals(
        -Errno.ENOSYS, vcpu.hypercall(HypercallNumber.MEMORY_OP, MEMORY_MAP, ARG), "none again");
  }

  @Test
  void aDomainIsOnTheOneNode() {
    manager.clear(ARG);
    manager.putLong(U, BUFFER);
    manager.putInt(U + 8, 64);
    manager.putLong(BUFFER, -1);
    assertEquals(0, manager.domctl(DomctlLayout.GET_NODE_AFFINITY, child.domid()));
    assertEquals(1, manager.getLong(BUFFER));
    assertEquals(0, manager.domctl(DomctlLayout.SET_NODE_AFFINITY, child.domid()));
    manager.putLong(BUFFER, 2);
    assertEquals(-Errno.EINVAL, manager.domctl(DomctlLayout.SET_NODE_AFFINITY, child.domid()));
  }

  @Test
  void whatIsAskedOfNoVcpuOrNoDomainIsInvalid() {
    manager.clear(ARG);
    manager.putInt(U, 1);
    assertEquals(-Errno.EINVAL, manager.domctl(DomctlLayout.GET_VCPU_INFO, child.domid()));
    assertEquals(-Errno.EINVAL, manager.domctl(DomctlLayout.GET_VCPU_CONTEXT, child.domid()));
    assertEquals(-Errno.ESRCH, manager.domctl(DomctlLayout.GET_VCPU_AFFINITY, child.domid()));
    assertEquals(-Errno.EINVAL, manager.domctl(DomctlLayout.GET_DOMAIN_INFO, Domid.SELF));
    assertEquals(-Errno.ESRCH, manager.domctl(DomctlLayout.GET_DOMAIN_INFO, 0x7FEF));
  }
}

package dev.domus.kernel.domctl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.abi.SysctlLayout;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Virtual interrupts that are not the timer's, who gets them, and the machine's console input. */
@Timeout(60)
final class VirqTest {
  private static final long ARG = 6 << 12, SCRATCH = 10 << 12;
  private static final long U = ARG + DomctlLayout.UNION, S = ARG + SysctlLayout.UNION;

  private TinyMachine machine;
  private Domain manager;
  private ScriptedVcpu guest;
  private Window memory;

  @BeforeEach
  void start() {
    machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
    manager = machine.buildPrivileged(2);
    guest = machine.engine().vcpu(0);
    memory = machine.control().mapForeign(manager.domid(), 4, TinyMachine.GUEST_PAGES - 4, true);
    machine.control().unpause(manager.domid());
  }

  @AfterEach
  void stop() {
    memory.close();
    machine.close();
  }

  private void putInt(long va, int value) {
    memory.putInt(va - (4 << 12), value);
  }

  private void putLong(long va, long value) {
    memory.putLong(va - (4 << 12), value);
  }

  private int getInt(long va) {
    return memory.getInt(va - (4 << 12));
  }

  private String text(long va, int length) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < length; i++) {
      text.append((char) (getInt(va + i & ~3L) >>> 8 * (int) (va + i & 3) & 0xFF));
    }
    return text.toString();
  }

  private long domctl(int command, int domid) {
    putInt(ARG + DomctlLayout.COMMAND, command);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putInt(ARG + DomctlLayout.DOMAIN, domid);
    return guest.hypercall(HypercallNumber.DOMCTL, ARG);
  }

  private long setHandler(int domid, int virq) {
    putInt(U, virq);
    return domctl(DomctlLayout.SET_VIRQ_HANDLER, domid);
  }

  private long pressKeys(String keys) {
    for (int i = 0; i < keys.length(); i++) {
      putInt(SCRATCH + i, keys.charAt(i)); // little-endian, so the next one follows
    }
    putInt(ARG + DomctlLayout.COMMAND, SysctlLayout.DEBUG_KEYS);
    putInt(ARG + DomctlLayout.VERSION, DomctlLayout.INTERFACE_VERSION);
    putLong(S + SysctlLayout.KEYS, SCRATCH);
    putInt(S + SysctlLayout.KEYS_COUNT, keys.length());
    return guest.hypercall(HypercallNumber.SYSCTL, ARG);
  }

  private long sendTrigger(int domid, int trigger, int vcpu) {
    putInt(U + DomctlLayout.TRIGGER, trigger);
    putInt(U + DomctlLayout.TRIGGER_VCPU, vcpu);
    return domctl(DomctlLayout.SEND_TRIGGER, domid);
  }

  /** The port that the manager binds an interrupt to. */
  private int bind(int virq, int vcpu) {
    putInt(SCRATCH + EventChannelLayout.VIRQ_VIRQ, virq);
    putInt(SCRATCH + EventChannelLayout.VIRQ_VCPU, vcpu);
    assertEquals(
        0,
        guest.hypercall(HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.BIND_VIRQ, SCRATCH));
    return getInt(SCRATCH + EventChannelLayout.VIRQ_PORT);
  }

  /** Says whether a port of the manager's was pending, and clears it. */
  private boolean takePending(int port) {
    long at = manager.sharedInfo() + SharedInfoLayout.EVTCHN_PENDING + port / 8;
    byte bits = machine.hypervisor().memory().get(ValueLayout.JAVA_BYTE, at);
    machine.hypervisor().memory().set(ValueLayout.JAVA_BYTE, at, (byte) (bits & ~(1 << port % 8)));
    return (bits >>> port % 8 & 1) != 0;
  }

  @Test
  void theDebugKeyRaisesVirqDebugAtEachVcpuThatBoundIt() {
    int first = bind(Virq.DEBUG, 0);
    int second = bind(Virq.DEBUG, 1);
    assertEquals(0, pressKeys("x"), "keys without a meaning are no error");
    assertFalse(takePending(first) | takePending(second));
    assertEquals(0, pressKeys("xq"));
    assertTrue(takePending(first));
    assertTrue(takePending(second));
    assertEquals(-Errno.EINVAL, pressKeys("q".repeat(65)));

    putLong(S + SysctlLayout.CONSOLE_CLEAR, 0);
    putLong(S + SysctlLayout.CONSOLE_BUFFER, SCRATCH);
    putInt(S + SysctlLayout.CONSOLE_COUNT, 4096);
    putInt(ARG + DomctlLayout.COMMAND, SysctlLayout.READ_CONSOLE);
    assertEquals(0, guest.hypercall(HypercallNumber.SYSCTL, ARG));
    assertEquals(
        "Notifying guest %1$d:0 (virq 1)\nNotifying guest %1$d:1 (virq 1)\n"
            .formatted(manager.domid()),
        text(SCRATCH, getInt(S + SysctlLayout.CONSOLE_COUNT)));
  }

  @Test
  void whatDomain0TypesIsReadOnceAndAnnouncedToTheHandler() {
    int port = bind(Virq.CONSOLE, 0);
    byte[] hello = "hello".getBytes(StandardCharsets.US_ASCII);
    assertEquals(5, machine.control().typeOnConsole(hello));
    assertFalse(takePending(port), "domain 0 is the handler");
    assertEquals(0, setHandler(manager.domid(), Virq.CONSOLE));
    assertEquals(5, machine.control().typeOnConsole(hello));
    assertTrue(takePending(port));
    assertEquals(-Errno.EFAULT, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, 7, 1L << 40));
    assertEquals(7, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, 7, SCRATCH));
    assertEquals("hellohe", text(SCRATCH, 7));
    assertEquals(3, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, 4096, SCRATCH));
    assertEquals("llo", text(SCRATCH, 3));
    assertEquals(0, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, 4096, SCRATCH));
    assertEquals(-Errno.E2BIG, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, -1, SCRATCH));
  }

  @Test
  void inputForWhichThereIsNoRoomIsNotTaken() {
    assertEquals(4096, machine.control().typeOnConsole(new byte[5000]));
    assertEquals(0, machine.control().typeOnConsole(new byte[1]));
    assertEquals(4096, guest.hypercall(HypercallNumber.CONSOLE_IO, 1, 4096, SCRATCH));
    assertEquals(1, machine.control().typeOnConsole(new byte[1]));
  }

  @Test
  void theHandlerHearsOfDomainsThatShutDownAndOfThoseThatAreGone() {
    int port = bind(Virq.DOM_EXC, 0);
    assertEquals(0, setHandler(manager.domid(), Virq.DOM_EXC));
    int other = machine.start().domid();
    machine.control().shutdown(other, DomainInfo.POWEROFF);
    assertTrue(takePending(port));
    assertFalse(takePending(port));
    machine.control().destroyDomain(other);
    assertTrue(takePending(port));
  }

  @Test
  void aHandlerThatDiesLeavesItsInterruptsToDomain0() {
    Domain heir = machine.buildPrivileged(1);
    assertEquals(0, setHandler(heir.domid(), Virq.CONSOLE));
    machine.control().destroyDomain(heir.domid());
    assertEquals(0, machine.hypervisor().virqs().handler(Virq.CONSOLE));
    assertEquals(5, machine.control().typeOnConsole(new byte[5]));
  }

  @Test
  void onlyInterruptsOfTheMachineHaveAHandler() {
    assertEquals(-Errno.EINVAL, setHandler(manager.domid(), Virq.TIMER));
    assertEquals(-Errno.EINVAL, setHandler(manager.domid(), Virq.DEBUG));
    assertEquals(-Errno.EINVAL, setHandler(manager.domid(), Virq.COUNT));
    assertEquals(-Errno.EINVAL, setHandler(manager.domid(), -1));
    assertEquals(-Errno.ESRCH, setHandler(999, Virq.CONSOLE));
  }

  @Test
  void aTriggerSendsANonMaskableInterrupt() {
    Domain other = machine.build(1); // paused: what is sent stays pending
    assertFalse(other.vcpu(0).traps().nmiDeliverable());
    assertEquals(0, sendTrigger(other.domid(), DomctlLayout.TRIGGER_NMI, 0));
    assertTrue(other.vcpu(0).traps().nmiDeliverable());
    assertEquals(-Errno.ESRCH, sendTrigger(other.domid(), DomctlLayout.TRIGGER_NMI, 1));
    assertEquals(-Errno.EINVAL, sendTrigger(other.domid(), DomctlLayout.TRIGGER_POWER, 0));
    assertEquals(-Errno.ENOSYS, sendTrigger(other.domid(), 1, 0));
    assertEquals(-Errno.ENOSYS, sendTrigger(other.domid(), 99, 0));
  }
}

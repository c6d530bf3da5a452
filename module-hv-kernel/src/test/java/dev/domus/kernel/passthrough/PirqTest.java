package dev.domus.kernel.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.EventChannelLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.PhysdevLayout;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.pci.ScriptedDevice;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.PortStatus;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Physical interrupts as a guest has them, against the structures of the ABI. */
@Timeout(60)
final class PirqTest {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final long ARG = 6 << 12;
  private static final int COMMAND = 4, MEMORY_AND_MASTER = 6;
  private static final int VECTORS = 4;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Domain owner = machine.start();
  private final Domain stranger = machine.start();
  private final Hypercalls domain0 = machine.startDomain0().hypercalls();
  private final GuestAccess memory = owner.vcpu(0).guest();
  private final ScriptedVcpu guest = machine.engine().vcpu(0);
  private ScriptedDevice device;

  @BeforeEach
  void assign() {
    machine.control().plugDevice("scripted", ID, Map.of("vectors", "" + VECTORS));
    device = machine.devices().made.getFirst();
    machine.control().assignDevice(owner.domid(), ID);
    domain0.writeConfig(ID, COMMAND, 2, MEMORY_AND_MASTER);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private long map(GuestAccess from, ScriptedVcpu by, int domid, int type, int entry, long table) {
    from.putShort(ARG + PhysdevLayout.MAP_DOMID, domid);
    from.putInt(ARG + PhysdevLayout.MAP_TYPE, type);
    from.putInt(ARG + PhysdevLayout.MAP_PIRQ_NUMBER, PhysdevLayout.ANY_PIRQ);
    from.putInt(ARG + PhysdevLayout.MAP_BUS, ID.bus());
    from.putInt(ARG + PhysdevLayout.MAP_DEVFN, ID.value() & 0xff);
    from.putInt(ARG + PhysdevLayout.MAP_ENTRY, entry);
    from.putLong(ARG + PhysdevLayout.MAP_TABLE_BASE, table);
    return by.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.MAP_PIRQ, ARG);
  }

  private int map(int entry) {
    assertEquals(0, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MSI_SEG, entry, 1));
    return memory.getInt(ARG + PhysdevLayout.MAP_PIRQ_NUMBER);
  }

  private long unmap(int pirq) {
    memory.putShort(ARG + PhysdevLayout.UNMAP_DOMID, Domid.SELF);
    memory.putInt(ARG + PhysdevLayout.UNMAP_PIRQ_NUMBER, pirq);
    return guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.UNMAP_PIRQ, ARG);
  }

  private long bind(int pirq) {
    memory.putInt(ARG + EventChannelLayout.PIRQ_PIRQ, pirq);
    memory.putInt(ARG + EventChannelLayout.PIRQ_FLAGS, 1);
    return guest.hypercall(HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.BIND_PIRQ, ARG);
  }

  private int boundPort(int pirq) {
    assertEquals(0, bind(pirq));
    return memory.getInt(ARG + EventChannelLayout.PIRQ_PORT);
  }

  private boolean pending(int port) {
    return owner.events().isPending(port);
  }

  @Test
  void aVectorArrivesAtThePortThatItsNumberIsBoundTo() {
    int pirq = map(2);
    int other = boundPort(map(1));
    int port = boundPort(pirq);
    assertFalse(pending(port));
    device.bus.interrupt(2);
    assertTrue(pending(port));
    assertFalse(pending(other));

    memory.putShort(ARG + EventChannelLayout.STATUS_DOM, Domid.SELF);
    memory.putInt(ARG + EventChannelLayout.STATUS_PORT, port);
    assertEquals(
        0, guest.hypercall(HypercallNumber.EVENT_CHANNEL_OP, EventChannelLayout.STATUS, ARG));
    assertEquals(PortStatus.PIRQ, memory.getInt(ARG + EventChannelLayout.STATUS_STATUS));
    assertEquals(pirq, memory.getInt(ARG + EventChannelLayout.STATUS_DETAIL));
    assertEquals(-Errno.EEXIST, bind(pirq));
    assertEquals(-Errno.EINVAL, owner.events().send(port), "a device's port was sent to");
    assertEquals(0, owner.events().bindVcpu(port, 0));
  }

  @Test
  void whatIsRaisedBeforeAPortIsBoundWaitsForIt() {
    int pirq = map(0);
    device.bus.interrupt(0);
    int port = boundPort(pirq);
    assertTrue(pending(port));
    assertEquals(0, owner.events().close(port));
    device.bus.interrupt(0);
    int second = boundPort(pirq);
    assertTrue(pending(second), "what was raised between two ports is lost");
  }

  @Test
  void aNumberThatWasUnmappedNamesNothingElseUntilItsPortIsClosed() {
    int pirq = map(0);
    int port = boundPort(pirq);
    assertEquals(0, unmap(pirq));
    assertEquals(-Errno.EINVAL, unmap(pirq));
    device.bus.interrupt(0);
    assertFalse(pending(port));
    int next = map(0);
    assertTrue(next != pirq, "the port's number was given away");
    assertEquals(PortStatus.PIRQ, owner.events().status(port).orElseThrow().state());
    assertEquals(0, owner.events().close(port));
    assertEquals(pirq, map(1), "the number is not free again");
  }

  @Test
  void onlyFunctionsOfTheDomainAndVectorsThatThereAreCanBeMapped() {
    assertEquals(-Errno.EINVAL, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_GSI, 0, 0));
    assertEquals(
        -Errno.EINVAL, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MSI_SEG, VECTORS, 1));
    assertEquals(-Errno.EINVAL, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MSI_SEG, -1, 1));
    assertEquals(-Errno.EINVAL, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MSI, 0, 0));
    assertEquals(
        -Errno.EOPNOTSUPP, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MULTI_MSI, 2, 0));
    map(3);
    assertEquals(-Errno.EEXIST, map(memory, guest, Domid.SELF, PhysdevLayout.TYPE_MSI_SEG, 3, 1));
    assertEquals(-Errno.ESRCH, map(memory, guest, 999, PhysdevLayout.TYPE_MSI_SEG, 0, 1));

    GuestAccess others = stranger.vcpu(0).guest();
    ScriptedVcpu thief = machine.engine().vcpu(1);
    assertEquals(-Errno.ENODEV, map(others, thief, Domid.SELF, PhysdevLayout.TYPE_MSI_SEG, 0, 1));
    assertEquals(-Errno.EPERM, map(others, thief, owner.domid(), PhysdevLayout.TYPE_MSI_SEG, 0, 1));
    assertEquals(1, machine.hypervisor().access().refusals(Operation.PHYSICAL_INTERRUPTS));
  }

  @Test
  void numbersThatStandForNothingAreRefused() {
    assertEquals(-Errno.EPERM, bind(3));
    assertEquals(-Errno.EINVAL, bind(PirqTable.LIMIT));
    assertEquals(-Errno.EINVAL, bind(-1));
    assertEquals(-Errno.EPERM, bind(16));
    memory.putInt(ARG, 17);
    assertEquals(
        -Errno.EINVAL, guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.EOI, ARG));
    memory.putInt(ARG, map(0));
    assertEquals(0, guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.EOI, ARG));
    memory.putInt(ARG + 4, -1);
    assertEquals(
        0, guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.IRQ_STATUS_QUERY, ARG));
    assertEquals(0, memory.getInt(ARG + 4));
    memory.putInt(ARG, 15);
    assertEquals(
        -Errno.EINVAL,
        guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.IRQ_STATUS_QUERY, ARG));
  }

  @Test
  void aReservedNumberIsGivenToNobodyElse() {
    memory.putInt(ARG, PhysdevLayout.TYPE_MSI);
    assertEquals(0, guest.hypercall(HypercallNumber.PHYSDEV_OP, PhysdevLayout.GET_FREE_PIRQ, ARG));
    int reserved = memory.getInt(ARG + PhysdevLayout.FREE_PIRQ);
    assertTrue(map(0) != reserved);
    assertEquals(reserved, owner.devices().mapPirq(ID, 1, true, reserved));
    assertEquals(-Errno.EEXIST, owner.devices().mapPirq(ID, 2, true, reserved));
    assertEquals(-Errno.EINVAL, owner.devices().mapPirq(ID, 2, true, 3));
  }

  @Test
  void domain0MapsForTheOwnerAndForNobodyElse() {
    int pirq = domain0.mapPirq(owner.domid(), ID, InterruptKind.MSI_X, 1);
    int port = boundPort(pirq);
    device.bus.interrupt(1);
    assertTrue(pending(port));
    domain0.unmapPirq(owner.domid(), pirq);
    HypercallException refused =
        assertThrows(
            HypercallException.class,
            () -> domain0.mapPirq(stranger.domid(), ID, InterruptKind.MSI_X, 1));
    assertEquals(Errno.ENODEV, refused.errno());
  }

  @Test
  void takingTheFunctionBackEndsItsInterrupts() {
    int pirq = map(0);
    int port = boundPort(pirq);
    machine.control().deassignDevice(owner.domid(), ID);
    device.bus.interrupt(0);
    assertFalse(pending(port));
    assertEquals(0, owner.events().close(port));
    assertEquals(-Errno.EPERM, bind(pirq));
    machine.control().assignDevice(stranger.domid(), ID);
    domain0.writeConfig(ID, COMMAND, 2, MEMORY_AND_MASTER);
    device.bus.interrupt(0);
    assertFalse(pending(port), "the last owner hears the next one's device");
  }
}

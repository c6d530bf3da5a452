package dev.domus.kernel.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.Virq;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.pci.ScriptedDevice;
import dev.domus.kernel.plugin.DeterministicMode;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.kernel.time.VirtualClock;
import dev.domus.memory.Window;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;

/** Who has which function, by domain 0's interface and by a privileged guest's domctl. */
@Timeout(60)
final class AssignmentTest {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final RequesterId ABSENT = RequesterId.of(0, 5, 0);
  private static final int COMMAND = 4, MEMORY = 2;
  private static final long ARG = 6 << 12, U = ARG + DomctlLayout.UNION;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Hypercalls domain0 = machine.startDomain0().hypercalls();
  private final Domain manager = machine.buildPrivileged(1);
  private final Domain owner = machine.build(1);
  private final Domain other = machine.build(1);
  private final ScriptedVcpu guest = machine.engine().vcpu(0);
  private Window memory;
  private ScriptedDevice device;

  @BeforeEach
  void plug() {
    machine.control().unpause(manager.domid());
    memory = machine.control().mapForeign(manager.domid(), 6, 1, true);
    machine.control().plugDevice("scripted", ID, Map.of());
    device = machine.devices().made.getFirst();
  }

  @AfterEach
  void close() {
    memory.close();
    machine.close();
  }

  private PciDevice picture() {
    return machine.control().pciDevices().getFirst();
  }

  private static void refused(int errno, Executable call) {
    assertEquals(errno, assertThrows(HypercallException.class, call).errno());
  }

  private long domctl(int command, int domid, RequesterId id) {
    memory.putInt(0, command);
    memory.putInt(4, DomctlLayout.INTERFACE_VERSION);
    memory.putInt(8, domid);
    for (int i = 0; i < DomctlLayout.UNION_SIZE; i += 8) {
      memory.putLong(U - ARG + i, 0);
    }
    boolean group = command == DomctlLayout.GET_DEVICE_GROUP;
    memory.putInt(
        U - ARG + (group ? DomctlLayout.GROUP_SBDF : DomctlLayout.DEVICE_SBDF), id.value());
    return guest.hypercall(HypercallNumber.DOMCTL, ARG);
  }

  @Test
  void aFunctionIsOneDomainsAtATime() {
    machine.control().assignDevice(owner.domid(), ID);
    assertEquals(PciDevice.State.ASSIGNED, picture().state());
    assertEquals(owner.domid(), picture().owner().orElseThrow());
    refused(Errno.EBUSY, () -> machine.control().assignDevice(other.domid(), ID));
    refused(Errno.ENODEV, () -> machine.control().deassignDevice(other.domid(), ID));
    refused(Errno.ENODEV, () -> machine.control().assignDevice(other.domid(), ABSENT));
    refused(Errno.ESRCH, () -> machine.control().assignDevice(999, ID));
    machine.control().deassignDevice(owner.domid(), ID);
    assertTrue(picture().owner().isEmpty());
    int resets = device.resets;
    machine.control().assignDevice(other.domid(), ID);
    assertTrue(device.resets > resets, "it was not reset for its next owner");
  }

  @Test
  void theRightToItsRegionsGoesWithIt() {
    PciDevice.Region region = picture().regions().getFirst();
    machine.control().assignDevice(owner.domid(), ID);
    machine.control().permitIoMemory(owner.domid(), region.firstFrame(), region.frames(), true);
    long address = region.firstFrame() << 12;
    domain0.writeConfig(ID, COMMAND, 2, MEMORY);
    owner.io().store(address + ScriptedDevice.COPY, 8, 42);
    assertEquals(42, owner.io().load(address + ScriptedDevice.COPIED, 8));
    machine.control().deassignDevice(owner.domid(), ID);
    assertFalse(owner.io().isReachable(address));
    assertEquals(-1, owner.io().load(address + ScriptedDevice.COPIED, 8));
  }

  @Test
  void whatIsPluggedNextAtItsPlaceIsNotReachedByOldRights() {
    PciDevice.Region region = picture().regions().getFirst();
    machine.control().permitIoMemory(other.domid(), region.firstFrame(), region.frames(), true);
    machine.control().unplugDevice(ID);
    assertFalse(other.io().isReachable(region.firstFrame() << 12));
    assertTrue(device.closed);
    refused(Errno.ENODEV, () -> machine.control().unplugDevice(ID));
  }

  @Test
  void configurationSpaceIsForThoseWhoMay() {
    assertEquals(0x1d0d, domain0.readConfig(ID, 0, 2));
    assertEquals(-1, domain0.readConfig(ABSENT, 0, 4));
    assertEquals(0xff, domain0.readConfig(ABSENT, 3, 1));
    refused(Errno.EINVAL, () -> domain0.readConfig(ID, 2, 4));
    refused(Errno.EINVAL, () -> domain0.writeConfig(ID, 4096, 4, 0));
    Hypercalls driver = machine.startDriver().hypercalls();
    refused(Errno.EPERM, () -> driver.readConfig(ID, 0, 2));
    refused(Errno.EPERM, () -> driver.writeConfig(ID, COMMAND, 2, 0));
    refused(Errno.EPERM, () -> driver.control().pciDevices());
    refused(Errno.EPERM, () -> driver.control().plugDevice("scripted", ABSENT, Map.of()));
    refused(Errno.EPERM, () -> driver.control().assignDevice(owner.domid(), ID));
  }

  @Test
  void aPrivilegedGuestGivesAndTakes() {
    int free = Domid.INVALID;
    assertEquals(0, domctl(DomctlLayout.TEST_ASSIGN_DEVICE, free, ID));
    assertEquals(0, domctl(DomctlLayout.TEST_ASSIGN_DEVICE, owner.domid(), ID));
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.TEST_ASSIGN_DEVICE, free, ABSENT));
    assertEquals(-Errno.ENODEV, domctl(DomctlLayout.ASSIGN_DEVICE, owner.domid(), ABSENT));
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.ASSIGN_DEVICE, manager.domid(), ID));
    assertEquals(0, domctl(DomctlLayout.ASSIGN_DEVICE, owner.domid(), ID));
    assertEquals(owner.domid(), picture().owner().orElseThrow());
    assertEquals(-Errno.EINVAL, domctl(DomctlLayout.TEST_ASSIGN_DEVICE, free, ID));
    assertEquals(-Errno.EBUSY, domctl(DomctlLayout.ASSIGN_DEVICE, other.domid(), ID));
    assertEquals(0, domctl(DomctlLayout.GET_DEVICE_GROUP, owner.domid(), ID));
    assertEquals(0, memory.getInt(U - ARG + DomctlLayout.GROUP_COUNT));
    assertEquals(-Errno.ENODEV, domctl(DomctlLayout.DEASSIGN_DEVICE, other.domid(), ID));
    assertEquals(0, domctl(DomctlLayout.DEASSIGN_DEVICE, owner.domid(), ID));
    assertTrue(picture().owner().isEmpty());
  }

  @Test
  void aDomainThatIsDestroyedGivesItsDevicesBackFirst() {
    assertEquals(0, domctl(DomctlLayout.ASSIGN_DEVICE, owner.domid(), ID));
    assertEquals(0, domctl(DomctlLayout.DESTROY_DOMAIN, owner.domid(), ID));
    assertTrue(picture().owner().isEmpty());
    machine.control().assignDevice(other.domid(), ID);
    machine.control().destroyDomain(other.domid());
    assertEquals(PciDevice.State.UNASSIGNED, picture().state());
  }

  @Test
  void whoLooksAfterDomainsIsToldOfAFailure() throws Exception {
    CountDownLatch told = new CountDownLatch(1);
    domain0.bindVirq(Virq.DOM_EXC, told::countDown);
    machine.control().assignDevice(owner.domid(), ID);
    device.bus.fail("told to");
    assertTrue(told.await(20, TimeUnit.SECONDS));
    assertEquals(PciDevice.State.FAILED, picture().state());
    assertEquals(owner.domid(), picture().owner().orElseThrow());
    machine.control().deassignDevice(owner.domid(), ID);
    refused(Errno.EIO, () -> machine.control().assignDevice(other.domid(), ID));
  }

  @Test
  void aHungDeviceDoesNotKeepItsOwnerFromGoing() throws Exception {
    PciDevice.Region region = picture().regions().getFirst();
    machine.control().assignDevice(owner.domid(), ID);
    domain0.writeConfig(ID, COMMAND, 2, MEMORY);
    machine.hypervisor().assignments().function(ID).orElseThrow();
    owner.io().permitMemory(region.firstFrame(), region.frames(), true);
    owner.io().store((region.firstFrame() << 12) + ScriptedDevice.HANG, 8, 0);
    assertTrue(device.hanging.await(10, TimeUnit.SECONDS));
    machine.control().destroyDomain(owner.domid());
    assertEquals(PciDevice.State.FAILED, picture().state());
    assertTrue(picture().owner().isEmpty());
    device.let.countDown();
  }

  @Test
  void whoAsksForWhatThereIsNotIsToldWhatThereIs() {
    HypercallException unknown =
        assertThrows(
            HypercallException.class,
            () -> machine.control().plugDevice("nvmee", ABSENT, Map.of()));
    assertTrue(
        unknown.getMessage().contains("no device model nvmee; there is scripted"),
        unknown::getMessage);
    HypercallException taken =
        assertThrows(
            HypercallException.class, () -> machine.control().plugDevice("scripted", ID, Map.of()));
    assertTrue(taken.getMessage().contains("00:04.0"), taken::getMessage);
  }

  @Test
  void aDeterministicMachineHasNoDevices() {
    try (TinyMachine repeatable =
        TinyMachine.deterministic(
            TestSchedulers.roundRobin(), new VirtualClock(0, DeterministicMode.USUAL_WALL_CLOCK))) {
      HypercallException refused =
          assertThrows(
              HypercallException.class,
              () -> repeatable.control().plugDevice("scripted", ID, Map.of()));
      assertEquals(Errno.EOPNOTSUPP, refused.errno());
    }
  }
}

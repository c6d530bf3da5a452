package dev.domus.kernel.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.FaultReason;
import dev.domus.iommu.MessageAddress;
import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.PciDevice;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.grant.GrantMappings;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.Window;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the device of a guest reaches, on a whole machine. */
@Timeout(60)
final class DmaOfGuestsTest {
  private static final RequesterId ID = RequesterId.of(0, 4, 0);
  private static final RequesterId SECOND = RequesterId.of(0, 5, 0);
  private static final int COMMAND = 4, MEMORY_AND_MASTER = 6;
  private static final int TABLES = 4, PAGE = 12;
  private static final long ARG = 6 << 12;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Domain owner = machine.start();
  private final Domain other = machine.start();
  private final Hypercalls domain0 = machine.startDomain0().hypercalls();
  private final ScriptedVcpu guest = machine.engine().vcpu(0);
  private final MemorySegment buffer = MemorySegment.ofArray(new byte[8]);
  private DmaPort port;

  @BeforeEach
  void assign() {
    port = plug(ID, 0);
    give(owner, ID);
  }

  private DmaPort plug(RequesterId id, int index) {
    machine.control().plugDevice("scripted", id, Map.of());
    return machine.devices().made.get(index).bus.dma();
  }

  private void give(Domain domain, RequesterId id) {
    machine.control().assignDevice(domain.domid(), id);
    domain0.writeConfig(id, COMMAND, 2, MEMORY_AND_MASTER);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private long ma(Domain domain, long pfn) {
    return machine.control().mfn(domain.domid(), pfn) << 12;
  }

  private int read(long address) {
    return port.read(address, buffer, 0, 8);
  }

  private PciDevice picture(RequesterId id) {
    return machine.control().pciDevices().stream()
        .filter(device -> device.id().equals(id))
        .findFirst()
        .orElseThrow();
  }

  private long faults(Domain domain) {
    return machine.control().domain(domain.domid()).orElseThrow().dmaFaults();
  }

  @Test
  void itReachesItsOwnersPagesByMachineAddressAndNothingElse() {
    for (int pfn = 0; pfn < TinyMachine.GUEST_PAGES; pfn++) {
      assertEquals(
          pfn < TABLES ? FaultReason.NO_READ.code() : DmaPort.OK,
          read(ma(owner, pfn)),
          "pfn " + pfn);
      assertEquals(FaultReason.NO_READ.code(), read(ma(other, pfn)), "of another: pfn " + pfn);
    }
    assertEquals(0, port.storeLong(ma(owner, PAGE) + 8, 0x1122334455667788L));
    try (Window window = machine.control().mapForeign(owner.domid(), PAGE, 1, false)) {
      assertEquals(0x1122334455667788L, window.getLong(8));
    }
    long entry =
        machine.hypervisor().memory().get(java.lang.foreign.ValueLayout.JAVA_LONG, ma(owner, 0));
    assertEquals(FaultReason.NO_WRITE.code(), port.storeLong(ma(owner, 0), -1));
    assertEquals(
        entry,
        machine.hypervisor().memory().get(java.lang.foreign.ValueLayout.JAVA_LONG, ma(owner, 0)));
    assertNotEquals(DmaPort.OK, read(owner.sharedInfo()));
    assertNotEquals(DmaPort.OK, read(0));
    assertNotEquals(DmaPort.OK, read(machine.hypervisor().frames() << 12));
  }

  @Test
  void withoutItsBusMasterBitItSendsNothingAndMakesNoFaults() throws Exception {
    domain0.writeConfig(ID, COMMAND, 2, 2);
    assertEquals(DmaPort.BLOCKED, read(ma(owner, PAGE)));
    assertEquals(DmaPort.BLOCKED, read(ma(other, PAGE)));
    assertEquals(0, picture(ID).faults());
    domain0.writeConfig(ID, COMMAND, 2, MEMORY_AND_MASTER);
    assertEquals(DmaPort.OK, read(ma(owner, PAGE)));
  }

  @Test
  void itReachesWhatItsPresentOwnerHasAndNothingOfTheLast() {
    machine.control().deassignDevice(owner.domid(), ID);
    assertNotEquals(DmaPort.OK, read(ma(owner, PAGE)));
    give(other, ID);
    assertEquals(FaultReason.NO_READ.code(), read(ma(owner, PAGE)));
    assertEquals(DmaPort.OK, read(ma(other, PAGE)));
    machine.control().destroyDomain(other.domid());
    Domain next = machine.build(1);
    for (int pfn = 0; pfn < TinyMachine.GUEST_PAGES; pfn++) {
      assertNotEquals(DmaPort.OK, read(ma(next, pfn)), "of who came after its owner");
    }
  }

  @Test
  void twoDevicesOfADomainComeAndGoOneByOne() {
    DmaPort second = plug(SECOND, 1);
    give(owner, SECOND);
    machine.control().deassignDevice(owner.domid(), ID);
    assertNotEquals(DmaPort.OK, read(ma(owner, PAGE)));
    assertEquals(DmaPort.OK, second.read(ma(owner, PAGE), buffer, 0, 8));
    machine.control().unplugDevice(SECOND);
    assertEquals(DmaPort.REVOKED, second.read(ma(owner, PAGE), buffer, 0, 8));
  }

  @Test
  void whatTheGuestGetsAndGivesUpIsFollowed() {
    long given = ma(owner, PAGE);
    assertTrue(owner.mmu().giveBack(given >>> 12));
    assertEquals(DmaPort.OK, read(given), "the guest still maps it");
    GuestAccess memory = owner.vcpu(0).guest();
    assertEquals(
        0,
        guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, (long) PAGE << 12, 0, 0),
        "the last reference");
    assertEquals(FaultReason.NO_READ.code(), read(given));
    long fresh = owner.mmu().allocate(0);
    assertEquals(DmaPort.OK, read(fresh << 12));
    assertTrue(memory.walk(ARG, 0) >= 0);
  }

  @Test
  void faultsAreCountedAgainstTheFunctionAndItsOwner() {
    for (int i = 0; i < 5; i++) {
      read(ma(other, PAGE));
    }
    while (faults(owner) < 5 || picture(ID).faults() < 5) {
      Thread.onSpinWait();
    }
    assertEquals(5, faults(owner));
    assertEquals(5, picture(ID).faults());
    assertEquals(0, faults(other));
  }

  @Test
  void aStormOfFaultsEndsInQuarantineAndItsOwnerGoesOn() {
    int status = DmaPort.OK;
    while (status != DmaPort.BLOCKED) {
      status = read(ma(other, PAGE));
    }
    assertEquals(PciDevice.State.FAILED, picture(ID).state());
    assertTrue(picture(ID).reason().contains("DMA faults"), picture(ID)::reason);
    assertEquals(DmaPort.BLOCKED, read(ma(owner, PAGE)));
    assertTrue(guest.hypercall(HypercallNumber.XEN_VERSION, 0) > 0);
    machine.control().destroyDomain(owner.domid());
    machine.control().unplugDevice(ID);
  }

  @Test
  void aGrantThatIsMappedForDevicesIsReachedUntilItIsUnmapped() {
    int ref = 8;
    machine.control().seedGrant(other.domid(), ref, owner.domid(), PAGE);
    long granted = ma(other, PAGE);
    assertNotEquals(DmaPort.OK, read(granted));
    GuestAccess memory = owner.vcpu(0).guest();
    memory.putLong(ARG, 0);
    memory.putInt(ARG + 8, GrantMappings.DEVICE_MAP);
    memory.putInt(ARG + 12, ref);
    memory.putShort(ARG + 16, other.domid());
    assertEquals(0, guest.hypercall(HypercallNumber.GRANT_TABLE_OP, 0, ARG, 1));
    assertEquals(0, memory.getShort(ARG + 18), "status");
    int handle = memory.getInt(ARG + GrantOpLayout.MAP_HANDLE);
    long address = memory.getLong(ARG + GrantOpLayout.MAP_DEVICE);
    assertEquals(granted, address);
    assertEquals(DmaPort.OK, port.storeLong(address, 7));
    memory.putLong(ARG, 0);
    memory.putLong(ARG + GrantOpLayout.UNMAP_DEVICE, address);
    memory.putInt(ARG + 16, handle);
    assertEquals(0, guest.hypercall(HypercallNumber.GRANT_TABLE_OP, 1, ARG, 1));
    assertNotEquals(DmaPort.OK, read(granted));
  }

  @Test
  void aDeviceCannotSendAnothersMessages() {
    DmaPort second = plug(SECOND, 1);
    give(other, SECOND);
    int pirq = owner.devices().mapPirq(ID, 0, true, -1);
    int bound = owner.devices().bindPirq(pirq);
    for (int index = 0; index < 16; index++) {
      assertNotEquals(DmaPort.OK, second.storeInt(MessageAddress.of(index, false), 0));
      assertNotEquals(DmaPort.OK, second.storeInt(MessageAddress.of(index, true), 0));
    }
    assertNotEquals(DmaPort.OK, second.storeInt(MessageAddress.FIRST, 0x4041), "compatibility");
    assertFalse(owner.events().isPending(bound));
    boolean own = false;
    for (int index = 0; index < 16 && !own; index++) {
      own = port.storeInt(MessageAddress.of(index, false), 0) == DmaPort.OK;
    }
    assertTrue(own && owner.events().isPending(bound), "its own, sent by a write");
  }

  @Test
  void whereThereIsNoMemoryForTablesNothingIsGiven() {
    machine.control().deassignDevice(owner.domid(), ID);
    int hog =
        machine
            .control()
            .createDomain(
                new DomainSpec(
                    UUID.randomUUID(),
                    1 << 20,
                    1,
                    machine.engine().name(),
                    "pool0",
                    256,
                    0,
                    false));
    long pfn = 0;
    try {
      while (true) {
        machine.control().populate(hog, pfn, 1);
        pfn++;
      }
    } catch (HypercallException full) {
      assertEquals(Errno.ENOMEM, full.errno());
    }
    HypercallException refused =
        assertThrows(
            HypercallException.class, () -> machine.control().assignDevice(owner.domid(), ID));
    assertEquals(Errno.ENOMEM, refused.errno());
    assertEquals(PciDevice.State.UNASSIGNED, picture(ID).state());
    machine.control().destroyDomain(hog);
    give(owner, ID);
    assertEquals(DmaPort.OK, read(ma(owner, PAGE)));
  }

  @Test
  void allTablesComeBack() {
    long free = machine.hypervisor().machineFrames().allocator().freeFrames();
    machine.control().deassignDevice(owner.domid(), ID);
    long without = machine.hypervisor().machineFrames().allocator().freeFrames();
    assertTrue(without > free, "its tables were not given back");
    for (int round = 0; round < 20; round++) {
      give(owner, ID);
      read(ma(owner, PAGE));
      machine.control().deassignDevice(owner.domid(), ID);
    }
    assertEquals(without, machine.hypervisor().machineFrames().allocator().freeFrames());
  }
}

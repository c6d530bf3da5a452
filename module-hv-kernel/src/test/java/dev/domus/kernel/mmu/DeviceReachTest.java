package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.UnitSettings;
import dev.domus.kernel.abi.Errno;
import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a domain's device reaches, a rule a test. */
class DeviceReachTest {
  /** A task-state segment: no descriptor that a guest may have. */
  private static final long BAD_DESCRIPTOR = 0x0000_8900_0000_0000L;

  private static final long NO_FRAME = Pte.of(TestMachine.FRAMES + 5L, Pte.P);

  private final TestMachine m = new TestMachine();
  private final IommuUnit unit =
      new IommuUnit(m.memory(), m.frames, m.allocator, m.codeFrames, UnitSettings.usual());
  private final TestDomain d = m.domain(1, 64);
  private final TestDomain other = m.domain(2, 64);
  private final TestDevice device = new TestDevice(unit, 1);
  private final long page = d.page();

  @BeforeEach
  void start() {
    assertEquals(0, d.mmu.startDevices(device));
  }

  @AfterEach
  void close() {
    d.mmu.stopDevices();
    device.close();
    unit.close();
    m.close();
  }

  @Test
  void whatTheDomainHadBeforeItsDeviceIsReached() {
    assertTrue(device.writes(page, 3, 42));
    assertEquals(42, m.entry(page, 3));
    assertFalse(device.reads(other.page()));
    assertFalse(device.reads(d.mmu.allocateSpecial()));
  }

  @Test
  void aTableIsNotReachedUntilItIsNoneAnyMore() {
    assertEquals(0, d.pin(1, page));
    assertFalse(device.writes(page, 0, 0));
    assertFalse(device.reads(page));
    assertEquals(0, d.unpin(page));
    assertTrue(device.writes(page, 0, NO_FRAME));
    assertNotEquals(0, d.pin(1, page), "what the device wrote was not looked at");
    assertTrue(device.writes(page, 0, 0), "a page that was found bad is data");
    assertEquals(0, d.pin(1, page));
  }

  @Test
  void aTableThatIsHalfValidatedIsNotReached() {
    long below = d.page();
    m.poke(page, 0, Pte.of(below, TestMachine.TABLE));
    TestVcpu v = d.vcpus[0];
    v.preempt = () -> true;
    assertEquals(TableWork.RESTART, d.mmu.roots().pin(2, page, v.work));
    assertTrue(m.frames.isPartial(page));
    assertFalse(device.writes(page, 1, NO_FRAME));
    v.preempt = () -> false;
    assertEquals(0, d.pin(2, page));
    assertFalse(device.writes(page, 1, NO_FRAME));
    assertFalse(device.writes(below, 1, NO_FRAME));
  }

  @Test
  void aDescriptorPageIsNotReachedAndIsValidatedAnewAfterwards() {
    assertEquals(0, d.mmu.setGdt(d.vcpus[0], new long[] {page}, 512));
    assertFalse(device.writes(page, 0, BAD_DESCRIPTOR));
    assertEquals(0, d.mmu.setGdt(d.vcpus[0], new long[0], 0));
    assertTrue(device.writes(page, 0, BAD_DESCRIPTOR));
    assertEquals(-Errno.EINVAL, d.mmu.setGdt(d.vcpus[0], new long[] {page}, 512));
  }

  @Test
  void aDescriptorPageOfBeforeTheDeviceIsValidatedAnewToo() {
    d.mmu.stopDevices();
    assertEquals(0, d.mmu.setGdt(d.vcpus[0], new long[] {page}, 512));
    assertEquals(0, d.mmu.setGdt(d.vcpus[0], new long[0], 0));
    assertEquals(0, d.mmu.startDevices(device));
    assertTrue(device.writes(page, 0, BAD_DESCRIPTOR));
    assertEquals(-Errno.EINVAL, d.mmu.setGdt(d.vcpus[0], new long[] {page}, 512));
  }

  @Test
  void whatIsExchangedIsReachedNoMoreAndWhatIsGotIs() {
    long[] fresh = new long[1];
    assertEquals(0, d.mmu.exchange(new long[] {page}, 0, fresh));
    assertFalse(device.reads(page));
    assertTrue(device.reads(fresh[0]));
    long table = d.page();
    assertEquals(0, d.pin(1, table));
    assertEquals(-Errno.EINVAL, d.mmu.exchange(new long[] {fresh[0], table}, 0, new long[2]));
    assertTrue(device.reads(fresh[0]), "an exchange that fails changes nothing");
    assertFalse(device.reads(table));
  }

  @Test
  void whatIsFreedIsReachedByNobodysDevice() {
    assertTrue(d.mmu.giveBackUnused(page));
    assertFalse(device.reads(page));
    for (int i = 0; i < 40; i++) {
      assertFalse(device.writes(other.page(), 0, 1));
    }
  }

  @Test
  void aFrameIsTransferredFromOneDomainsDevicesToTheOthers() {
    TestDevice others = new TestDevice(unit, 2);
    assertEquals(0, other.mmu.startDevices(others));
    FrameTransfers from = new FrameTransfers(d.mmu, java.util.Optional.empty());
    FrameTransfers to = new FrameTransfers(other.mmu, java.util.Optional.empty());
    assertEquals(page, from.detach(page));
    assertFalse(device.reads(page));
    from.reattach(page, page);
    assertTrue(device.reads(page));
    assertEquals(page, from.detach(page));
    from.departed(page);
    assertTrue(to.makeRoom() && to.attach(page, page));
    assertFalse(device.reads(page));
    assertTrue(others.reads(page));
    other.mmu.stopDevices();
    others.close();
  }

  @Test
  void grantsAreReachedAsTheyAreMapped() {
    long granted = other.page();
    assertTrue(d.mmu.openGranted(granted, false));
    assertTrue(device.reads(granted));
    assertFalse(device.writes(granted, 0, 1));
    assertTrue(d.mmu.openGranted(granted, true));
    assertTrue(device.writes(granted, 0, 1));
    d.mmu.withdrawGranted(granted, true);
    assertFalse(device.writes(granted, 0, 1));
    assertTrue(device.reads(granted));
    d.mmu.withdrawGranted(granted, false);
    assertFalse(device.reads(granted));
    assertTrue(d.mmu.openGranted(page, true));
    d.mmu.withdrawGranted(page, true);
    assertTrue(device.writes(page, 0, 1), "its own page is its own with or without a grant");
  }

  @Test
  void grantsOfBeforeTheDeviceAreReachedToo() {
    d.mmu.stopDevices();
    long granted = other.page();
    assertTrue(d.mmu.openGranted(granted, true));
    assertEquals(0, d.mmu.startDevices(device));
    assertTrue(device.writes(granted, 0, 1));
    d.mmu.withdrawGranted(granted, true);
    assertFalse(device.reads(granted));
  }

  @Test
  void aDomainThatIsGoingGetsNoDevice() {
    TestDevice late = new TestDevice(unit, 2);
    other.mmu.relinquish(other.vcpus);
    assertEquals(-Errno.EINVAL, other.mmu.startDevices(late));
    other.mmu.stopDevices();
    late.close();
  }
}

package dev.domus.iommu;

import static dev.domus.iommu.IoDomain.READ;
import static dev.domus.iommu.IoDomain.WRITE;
import static dev.domus.iommu.TestMachine.DEVICE;
import static dev.domus.iommu.TestMachine.FRAME;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A device's accesses: what they reach, what stops them, and what is recorded of it. */
class DmaPortTest {
  private final TestMachine machine = TestMachine.usual();
  private final IommuUnit unit = machine.unit;
  private final IoDomain domain = unit.newDomain();
  private final DmaPort port = unit.newPort(DEVICE);
  private final MemorySegment buffer = MemorySegment.ofArray(new long[1 << 15]);

  @AfterEach
  void close() {
    machine.close();
  }

  private void assertFault(FaultReason reason, long address, boolean write) {
    assertEquals(
        List.of(new TestMachine.Fault(DEVICE.value(), reason, address, write, 0)),
        machine.faults());
  }

  @Test
  void readsAndWritesAreScatteredOverPages() {
    unit.attach(DEVICE, domain);
    long[] mfns = new long[20];
    for (int i = 0; i < mfns.length; i++) {
      mfns[i] = machine.frame(i);
    }
    for (int i = 0; i < mfns.length; i++) {
      domain.map(0x7000 + i * 0x1000L, mfns[mfns.length - 1 - i], 1, READ | WRITE);
    }
    byte[] bytes = new byte[19 * FRAME];
    new Random(1).nextBytes(bytes);
    MemorySegment.copy(MemorySegment.ofArray(bytes), 0, buffer, 8, bytes.length);

    assertEquals(DmaPort.OK, port.write(0x7123, buffer, 8, bytes.length));
    for (int i = 0; i < bytes.length; i++) {
      int at = 0x123 + i;
      long ma = mfns[mfns.length - 1 - at / FRAME] * FRAME + at % FRAME;
      assertEquals(bytes[i], machine.segment().get(ValueLayout.JAVA_BYTE, ma), "byte " + i);
    }
    buffer.fill((byte) 0);
    assertEquals(DmaPort.OK, port.read(0x7123, buffer, 3, bytes.length));
    assertEquals(-1, buffer.asSlice(3, bytes.length).mismatch(MemorySegment.ofArray(bytes)));
    assertEquals(DmaPort.OK, port.fill(0x7FFF, 0x1002, (byte) 9));
    assertEquals(DmaPort.OK, port.read(0x7FFE, buffer, 0, 8));
    assertNotEquals(9, bytes[0x7FFE - 0x7123]);
    assertEquals(bytes[0x7FFE - 0x7123], buffer.get(ValueLayout.JAVA_BYTE, 0));
    assertEquals(9, buffer.get(ValueLayout.JAVA_BYTE, 1));
    assertEquals(DmaPort.OK, port.copy(0x7800, 0xB123, 0x2345));
    port.read(0x7800, buffer, 0, 0x2345);
    port.read(0xB123, buffer, 0x4000, 0x2345);
    assertEquals(-1, buffer.asSlice(0, 0x2345).mismatch(buffer.asSlice(0x4000, 0x2345)));
  }

  @Test
  void ringWordsAreStoredAndLoadedWhole() {
    unit.attach(DEVICE, domain);
    long mfn = machine.frame(0);
    domain.map(0, mfn, 1, READ | WRITE);

    assertEquals(DmaPort.OK, port.storeInt(0x10, 0x1234_5678));
    assertEquals(DmaPort.OK, port.storeLong(0x18, -5));
    assertEquals(DmaPort.OK, port.storeLong(0x21, 0x0102_0304_0506_0708L));
    assertEquals(DmaPort.OK, port.storeInt(0x31, 7));

    assertEquals(0x1234_5678, machine.at(mfn * FRAME + 0x10));
    assertEquals(-5, machine.at(mfn * FRAME + 0x18));
    assertEquals(DmaPort.OK, port.loadLong(0x21, buffer, 0));
    assertEquals(0x0102_0304_0506_0708L, buffer.get(ValueLayout.JAVA_LONG, 0));
    assertEquals(DmaPort.OK, port.loadInt(0x10, buffer, 4));
    assertEquals(0x1234_5678, buffer.get(ValueLayout.JAVA_INT, 4));
    assertEquals(DmaPort.OK, port.loadInt(0x31, buffer, 4));
    assertEquals(7, buffer.get(ValueLayout.JAVA_INT, 4));
  }

  @Test
  void aStoreIsReportedToWhoeverExecutesTheFrame() {
    unit.attach(DEVICE, domain);
    long mfn = machine.frame(0);
    domain.map(0, mfn, 1, READ | WRITE);
    int version = machine.codeFrames.watch(mfn);

    port.read(0, buffer, 0, 8);
    assertEquals(version, machine.codeFrames.version(mfn));
    port.write(0, buffer, 0, 8);
    assertNotEquals(version, machine.codeFrames.version(mfn));
  }

  @Test
  void whoHasNoDomainReachesNothing() {
    assertEquals(FaultReason.ROOT_NOT_PRESENT.code(), port.read(0x5000, buffer, 0, 8));
    assertFault(FaultReason.ROOT_NOT_PRESENT, 0x5000, false);
    unit.attach(RequesterId.parse("00:04.0"), domain);
    assertEquals(FaultReason.CONTEXT_NOT_PRESENT.code(), port.write(0x5000, buffer, 0, 8));
    assertFault(FaultReason.CONTEXT_NOT_PRESENT, 0x5000, true);
  }

  @Test
  void permissionsHoldForEachPage() {
    unit.attach(DEVICE, domain);
    long frame = machine.frame(11);
    domain.map(0, frame, 1, READ);
    domain.map(0x1000, machine.frame(12), 1, WRITE);
    buffer.set(ValueLayout.JAVA_LONG, 0, 13);

    assertEquals(FaultReason.NO_WRITE.code(), port.write(0, buffer, 0, 8));
    assertFault(FaultReason.NO_WRITE, 0, true);
    assertEquals(11, machine.at(frame * FRAME));
    assertEquals(FaultReason.NO_READ.code(), port.read(0x1000, buffer, 0, 8));
    assertFault(FaultReason.NO_READ, 0x1000, false);
    assertEquals(FaultReason.NO_READ.code(), port.read(0xFF8, buffer, 0, 16), "the second page");
    assertFault(FaultReason.NO_READ, 0x1000, false);
    assertEquals(FaultReason.NO_WRITE.code(), port.copy(0, 0x2000, 8));
    assertFault(FaultReason.NO_WRITE, 0x2000, true);
    assertEquals(FaultReason.NO_READ.code(), port.copy(0x1000, 0x1000, 8));
    assertFault(FaultReason.NO_READ, 0x1000, false);
    assertEquals(FaultReason.NO_READ.code(), port.read(0x9000, buffer, 0, 8));
    assertFault(FaultReason.NO_READ, 0x9000, false);
  }

  @ParameterizedTest
  @CsvSource({"3, 8000000000", "4, 1000000000000", "5, 200000000000000"})
  void nothingIsBeyondTheWidth(int levels, String end) {
    IoDomain of = unit.newDomain(levels);
    unit.attach(DEVICE, of);
    long first = Long.parseUnsignedLong(end, 16);
    of.map(first - 0x1000, machine.frame(5), 1, READ);

    assertEquals(DmaPort.OK, port.read(first - 8, buffer, 0, 8));
    assertEquals(FaultReason.BEYOND_ADDRESS_WIDTH.code(), port.read(first, buffer, 0, 8));
    assertFault(FaultReason.BEYOND_ADDRESS_WIDTH, first, false);
    assertEquals(FaultReason.BEYOND_ADDRESS_WIDTH.code(), port.read(-8, buffer, 0, 16));
    assertEquals(FaultReason.NO_WRITE.code(), port.fill(first - 8, 16, (byte) 0));
  }

  @Test
  void aBufferTooSmallIsTheDevicesOwnFault() {
    assertThrows(
        IndexOutOfBoundsException.class,
        () -> port.read(0, MemorySegment.ofArray(new byte[8]), 4, 8));
    assertThrows(IndexOutOfBoundsException.class, () -> port.fill(0, -1, (byte) 0));
    assertThrows(IndexOutOfBoundsException.class, () -> port.copy(0, 0, -1));
    assertEquals(List.of(), machine.faults());
  }

  // ---- malformed tables, made by hand

  private long leafAt(long iova) {
    long table = domain.root();
    for (int level = 4; level > 1; level--) {
      table = machine.at(table + (iova >>> 12 + 9 * (level - 1) & 511) * 8) & -4096L;
    }
    return table + (iova >>> 12 & 511) * 8;
  }

  @ParameterizedTest
  @ValueSource(ints = {24, 30, 51, 62})
  void aReservedBitOfALeafIsAFault(int bit) {
    unit.attach(DEVICE, domain);
    domain.map(0x5000, machine.frame(1), 1, READ);
    machine.set(leafAt(0x5000), machine.at(leafAt(0x5000)) | 1L << bit);

    assertEquals(FaultReason.ENTRY_RESERVED.code(), port.read(0x5000, buffer, 0, 8));
    assertFault(FaultReason.ENTRY_RESERVED, 0x5000, false);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 6, 7, 8, 10, 11, 52, 61, 63})
  void anIgnoredBitOfALeafIsIgnored(int bit) {
    unit.attach(DEVICE, domain);
    domain.map(0x5000, machine.frame(1), 1, READ);
    machine.set(leafAt(0x5000), machine.at(leafAt(0x5000)) | 1L << bit);

    assertEquals(DmaPort.OK, port.read(0x5000, buffer, 0, 8));
  }

  @Test
  void theSnoopBitIsReservedWhereThereIsNoSnoopControl() {
    try (TestMachine other = new TestMachine(256, new UnitSettings(false, false, 3, 8, 0, 16))) {
      IoDomain of = other.unit.newDomain();
      other.unit.attach(DEVICE, of);
      DmaPort to = other.unit.newPort(DEVICE);
      of.map(0, 5, 1, READ | IoDomain.SNOOP);
      assertEquals(DmaPort.OK, to.read(0, buffer, 0, 8), "not set, since the unit has none");
      of.unmap(0, 1);
      of.map(0, 5, 1, READ);
      long table = of.root();
      for (int level = 4; level > 1; level--) {
        table = other.at(table) & -4096L;
      }
      other.set(table, other.at(table) | SecondLevelFormat.SNP);
      assertEquals(FaultReason.ENTRY_RESERVED.code(), to.read(0, buffer, 0, 8));
    }
  }

  @Test
  void malformedTablesAreFaultsAndNothingElse() {
    unit.attach(DEVICE, domain);
    domain.map(0x5000, machine.frame(1), 1, READ);
    long root = domain.root();
    long good = machine.at(root);

    machine.set(root, good | 0x80);
    assertEquals(
        FaultReason.ENTRY_RESERVED.code(), port.read(0x5000, buffer, 0, 8), "PS in level 4");
    machine.set(root, good | 0x800);
    assertEquals(
        FaultReason.ENTRY_RESERVED.code(), port.read(0x5000, buffer, 0, 8), "SNP in a table");
    machine.set(root, 1L << 40 | 3);
    assertEquals(FaultReason.ENTRY_RESERVED.code(), port.read(0x5000, buffer, 0, 8), "too wide");
    machine.set(root, good & ~2);
    assertEquals(
        FaultReason.NO_WRITE.code(), port.write(0x5000, buffer, 0, 8), "all levels permit");
    machine.set(root, good);
    assertEquals(DmaPort.OK, port.read(0x5000, buffer, 0, 8));
    machine.set(leafAt(0x5000), machine.at(leafAt(0x5000)) & 0xFFF | (4096L << 12) - 4096);
    assertEquals(DmaPort.OK, port.read(0x5000, buffer, 0, 8), "cached");
    unit.invalidation().all();
    assertEquals(DmaPort.OK, port.read(0x5000, buffer, 0, 8), "the last frame");
    try (TestMachine odd = new TestMachine(3000, UnitSettings.usual())) {
      IoDomain of = odd.unit.newDomain();
      odd.unit.attach(DEVICE, of);
      DmaPort to = odd.unit.newPort(DEVICE);
      of.map(0, 5, 1, READ);
      long table = odd.at(of.root()) & -4096L;
      odd.set(table, 3000L << 12 | 3);
      assertEquals(FaultReason.TABLE_INACCESSIBLE.code(), to.read(0, buffer, 0, 8));
      odd.set(table, 0x83);
      assertEquals(DmaPort.OK, to.read(2999L << 12, buffer, 0, 8), "1 GiB of which there is less");
      assertEquals(FaultReason.ENTRY_RESERVED.code(), to.read(3000L << 12, buffer, 0, 8));
      odd.set(table, 0x1083);
      odd.unit.invalidation().all();
      assertEquals(FaultReason.ENTRY_RESERVED.code(), to.read(0, buffer, 0, 8), "not aligned");
    }
  }

  @Test
  void malformedContextsAreFaultsAndNothingElse() {
    unit.attach(DEVICE, domain);
    domain.map(0, machine.frame(1), 1, READ);
    long rootEntry = unit.requesters().root();
    long entry = (machine.at(rootEntry) & -4096L) + DEVICE.value() * 16;
    long low = machine.at(entry);
    long high = machine.at(entry + 8);
    assertEquals(domain.root() | 1, low);
    assertEquals(domain.id() << 8 | 2, high);

    assertContext(FaultReason.CONTEXT_RESERVED, entry, low | 1 << 5, high);
    assertContext(FaultReason.CONTEXT_RESERVED, entry, low | 1L << 40, high);
    assertContext(FaultReason.CONTEXT_RESERVED, entry, low, high | 1 << 7);
    assertContext(FaultReason.CONTEXT_RESERVED, entry, low, high | 1 << 20);
    assertContext(FaultReason.CONTEXT_INVALID, entry, low, high & ~7);
    assertContext(FaultReason.CONTEXT_INVALID, entry, low, high | 4);
    assertContext(FaultReason.CONTEXT_INVALID, entry, low | 1 << 2, high);
    assertContext(FaultReason.CONTEXT_INVALID, entry, low | 2 << 2, high);
    assertContext(FaultReason.CONTEXT_INVALID, entry, low, high & 7);
    assertContext(FaultReason.CONTEXT_NOT_PRESENT, entry, low & ~1, high);
    machine.set(entry, low);
    machine.set(entry + 8, high);
    long root = machine.at(rootEntry);
    machine.set(rootEntry, root | 2);
    assertEquals(FaultReason.ROOT_RESERVED.code(), port.read(0, buffer, 0, 8));
    machine.set(rootEntry, root);
    machine.set(rootEntry + 8, 1);
    assertEquals(FaultReason.ROOT_RESERVED.code(), port.read(0, buffer, 0, 8));
    machine.set(rootEntry + 8, 0);
    assertEquals(DmaPort.OK, port.read(0, buffer, 0, 8));
  }

  private void assertContext(FaultReason reason, long entry, long low, long high) {
    machine.set(entry, low);
    machine.set(entry + 8, high);
    assertEquals(reason.code(), port.read(0, buffer, 0, 8));
    assertFault(reason, 0, false);
    machine.set(entry, low | 2);
    assertEquals(reason.code(), port.read(0, buffer, 0, 8));
    assertEquals(List.of(), machine.faults(), "fault processing is disabled");
  }

  // ---- attaching, detaching, the end

  @Test
  void attachingElsewhereAndDetachingTakeEffectAtOnce() {
    IoDomain other = unit.newDomain();
    domain.map(0, machine.frame(1), 1, READ);
    other.map(0, machine.frame(2), 1, READ);
    unit.attach(DEVICE, domain);
    assertEquals(1, read(0));
    unit.attach(DEVICE, other);
    assertEquals(2, read(0));
    unit.detach(DEVICE);
    assertEquals(FaultReason.CONTEXT_NOT_PRESENT.code(), port.read(0, buffer, 0, 8));
    assertThrows(
        IllegalStateException.class,
        () -> {
          unit.attach(DEVICE, other);
          other.close();
        });
    unit.detach(DEVICE);
    other.close();
  }

  private long read(long iova) {
    assertEquals(DmaPort.OK, port.read(iova, buffer, 0, 8));
    return buffer.get(ValueLayout.JAVA_LONG, 0);
  }

  @Test
  void quarantineIsOneScratchPage() {
    domain.map(0, machine.frame(1), 1, READ | WRITE);
    unit.attach(DEVICE, domain);
    assertEquals(1, read(0));
    unit.quarantine(DEVICE);

    assertEquals(0, read(0));
    buffer.set(ValueLayout.JAVA_LONG, 0, 99);
    assertEquals(DmaPort.OK, port.write(0x1234_5678_9000L, buffer, 0, 8));
    assertEquals(99, read(0xFF_0000_0000_0000L));
    assertEquals(List.of(), machine.faults());
    unit.attach(DEVICE, domain);
    assertEquals(1, read(0));
    unit.detach(DEVICE);
    domain.close();
    unit.close();
    assertEquals(0, unit.tableFrames());
  }

  @Test
  void onlyAUnitThatWasMadeSoLetsARequesterThrough() {
    assertThrows(IllegalStateException.class, () -> unit.passThrough(DEVICE));
    try (TestMachine open = new TestMachine(256, UnitSettings.usual().withPassThrough())) {
      open.unit.passThrough(DEVICE);
      DmaPort to = open.unit.newPort(DEVICE);
      long mfn = open.frame(17);
      assertEquals(DmaPort.OK, to.read(mfn * FRAME, buffer, 0, 8));
      assertEquals(17, buffer.get(ValueLayout.JAVA_LONG, 0));
      assertEquals(
          FaultReason.BEYOND_ADDRESS_WIDTH.code(), to.read(256L * FRAME - 4, buffer, 0, 8));
      open.unit.detach(DEVICE);
      assertNotEquals(DmaPort.OK, to.read(mfn * FRAME, buffer, 0, 8));
    }
  }

  @Test
  void aRevokedPortIsOverAndABlockedOneWaits() {
    domain.map(0, machine.frame(1), 1, READ | WRITE);
    unit.attach(DEVICE, domain);
    port.block();
    assertEquals(DmaPort.BLOCKED, port.read(0, buffer, 0, 8));
    assertEquals(DmaPort.BLOCKED, port.copy(0, 8, 8));
    assertEquals(DmaPort.BLOCKED, port.storeInt(0, 1));
    assertEquals(DmaPort.BLOCKED, port.interrupt(MessageAddress.of(1, false), 0));
    unit.attach(DEVICE, domain);
    assertEquals(DmaPort.BLOCKED, port.read(0, buffer, 0, 8), "whatever is attached meanwhile");
    port.unblock();
    assertEquals(1, read(0));
    domain.unmap(0, 1);
    port.revoke();
    port.unblock();
    assertEquals(DmaPort.REVOKED, port.read(0, buffer, 0, 8));
    assertEquals(DmaPort.REVOKED, port.fill(0, 8, (byte) 0));
    assertEquals(DmaPort.REVOKED, port.interrupt(MessageAddress.of(1, false), 0));
    port.revoke();
    assertEquals(List.of(), machine.faults());
    domain.map(0, machine.frame(1), 1, READ);
    assertEquals(DmaPort.OK, unit.newPort(DEVICE).read(0, buffer, 0, 8), "another port works");
  }
}

package dev.domus.iommu;

import static dev.domus.iommu.TestMachine.DEVICE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Faults are recorded and bounded; messages go where their entry says, and from whom it says. */
class FaultAndInterruptTest {
  private static final int ENTRIES = 64;

  private final TestMachine machine =
      new TestMachine(512, new UnitSettings(true, false, 3, 4, 0, ENTRIES));
  private final FaultRecorder faults = machine.unit.faults();
  private final InterruptRemapping interrupts = machine.unit.interrupts();
  private final DmaPort port = machine.unit.newPort(DEVICE);
  private final MemorySegment buffer = MemorySegment.ofArray(new int[4]);
  private final List<String> delivered = new ArrayList<>();

  @BeforeEach
  void listen() {
    interrupts.deliverTo((destination, vector) -> delivered.add(destination + ":" + vector));
  }

  @AfterEach
  void close() {
    machine.close();
  }

  // ---- faults

  @Test
  void aStormOfOneRequesterIsOneRecordAndACount() {
    AtomicInteger events = new AtomicInteger();
    faults.onPending(events::incrementAndGet);
    for (int i = 0; i < 1000; i++) {
      port.read(0x7_0008 + i * 4096L, buffer, 0, 4);
    }

    assertEquals(1, events.get());
    assertEquals(FaultRecorder.PENDING, faults.status() & 3);
    assertEquals(
        List.of(
            new TestMachine.Fault(
                DEVICE.value(), FaultReason.ROOT_NOT_PRESENT, 0x7_0000, false, 999)),
        machine.faults());
    assertEquals(0, faults.status() & 3);
    assertEquals(1000, faults.total());
    port.read(0, buffer, 0, 4);
    assertEquals(2, events.get(), "the next one is news");
  }

  @Test
  void whatFindsNoRecordIsLostAndSaidToBe() {
    for (int function = 0; function < 6; function++) {
      machine.unit.newPort(RequesterId.of(1, 0, function)).fill(0x1000L * function, 1, (byte) 0);
    }

    assertEquals(FaultRecorder.PENDING | FaultRecorder.OVERFLOW, faults.status() & 3);
    List<TestMachine.Fault> read = machine.faults();
    assertEquals(4, read.size());
    for (int function = 0; function < 4; function++) {
      assertEquals(0x1000L * function, read.get(function).address());
      assertTrue(read.get(function).write());
    }
    assertEquals(2, faults.lost());
    assertEquals(6, faults.total());
    machine.unit.newPort(RequesterId.of(1, 0, 5)).fill(0, 1, (byte) 0);
    assertEquals(1, machine.faults().size(), "recorded again after the overflow was cleared");
  }

  @Test
  void everyCodeHasItsReason() {
    for (FaultReason reason : FaultReason.values()) {
      assertEquals(reason, FaultReason.of(reason.code()));
    }
    assertThrows(IllegalArgumentException.class, () -> FaultReason.of(0));
    assertThrows(IllegalArgumentException.class, () -> FaultReason.of(0x27));
    assertThrows(IllegalArgumentException.class, () -> FaultReason.of(-1));
  }

  // ---- interrupts

  /** The bits of the message by hand: handle in 19:5 and 2, format in 4, SHV in 3. */
  @ParameterizedTest
  @CsvSource({
    "0, fee00010",
    "1, fee00030",
    "32767, feeffff0",
    "32768, fee00014",
    "65535, feeffff4"
  })
  void anAddressHasTheBitsOfTheSpecification(int index, String address) {
    assertEquals(Long.parseLong(address, 16), MessageAddress.of(index, false));
    assertEquals(Long.parseLong(address, 16) | 8, MessageAddress.of(index, true));
    assertEquals(index, MessageAddress.index(MessageAddress.of(index, false), 0xFFFF));
  }

  @Test
  void anEntryHasTheBitsOfTheSpecification() {
    interrupts.set(3, 0x8765_4321, 0x42, InterruptRemapping.REQUESTER, 2, 0x0318);

    long at = interrupts.table() + 3 * 16;
    assertEquals(0x8765_4321_0042_0001L, machine.at(at));
    assertEquals(0x6_0318L, machine.at(at + 8));
  }

  @Test
  void aMessageGoesWhereItsEntrySays() {
    interrupts.set(5, 77, 0x31, InterruptRemapping.ANY_SOURCE, 0, 0);
    interrupts.set(7, 78, 0x32, InterruptRemapping.REQUESTER, 0, DEVICE.value());
    buffer.set(ValueLayout.JAVA_INT, 0, 2);

    assertEquals(DmaPort.OK, port.interrupt(MessageAddress.of(5, false), 0xFFFF_FFFF));
    assertEquals(DmaPort.OK, port.storeInt(MessageAddress.of(5, true), 2));
    assertEquals(DmaPort.OK, port.write(MessageAddress.of(5, true), buffer, 0, 4));

    assertEquals(List.of("77:49", "78:50", "78:50"), delivered);
    interrupts.clear(5);
    assertEquals(
        FaultReason.INTERRUPT_NOT_PRESENT.code(), port.interrupt(MessageAddress.of(5, false), 0));
    assertEquals(3, delivered.size());
  }

  private void assertRefused(FaultReason reason, long index, int result) {
    assertEquals(reason.code(), result);
    assertEquals(
        List.of(new TestMachine.Fault(DEVICE.value(), reason, index, true, 0)), machine.faults());
    assertEquals(List.of(), delivered);
  }

  @Test
  void badMessagesAreFaults() {
    interrupts.set(1, 1, 1, InterruptRemapping.ANY_SOURCE, 0, 0);
    long good = MessageAddress.of(1, false);

    assertRefused(FaultReason.INTERRUPT_COMPATIBILITY, 0, port.interrupt(0xFEE0_1000L, 0x4041));
    assertRefused(FaultReason.INTERRUPT_INDEX, 64, port.interrupt(MessageAddress.of(64, false), 0));
    assertRefused(
        FaultReason.INTERRUPT_INDEX,
        0xFFFF,
        port.interrupt(MessageAddress.of(0x8000, true), 0x7FFF));
    assertRefused(FaultReason.INTERRUPT_REQUEST_RESERVED, 1, port.interrupt(good | 8, 0x1_0000));
    assertRefused(FaultReason.INTERRUPT_NOT_PRESENT, 2, port.interrupt(good | 8, 1));
    assertRefused(FaultReason.INTERRUPT_REQUEST_RESERVED, 0, port.write(good, buffer, 0, 8));
    machine.unit.attach(DEVICE, machine.unit.newDomain());
    assertEquals(
        FaultReason.INTERRUPT_REQUEST_RESERVED.code(), port.read(0xFEE0_0010L, buffer, 0, 4));
    assertEquals(FaultReason.INTERRUPT_REQUEST_RESERVED.code(), port.storeLong(0xFEE0_0010L, 1));
    assertEquals(FaultReason.INTERRUPT_REQUEST_RESERVED.code(), port.copy(0xFEE0_0010L, 0, 4));
    assertEquals(List.of(), delivered);
  }

  @ParameterizedTest
  @ValueSource(ints = {12, 14, 15, 24, 31, 64 + 20, 127})
  void aReservedBitOfAnEntryIsAFault(int bit) {
    interrupts.set(1, 1, 1, InterruptRemapping.ANY_SOURCE, 0, 0);
    long at = interrupts.table() + 16 + (bit >= 64 ? 8 : 0);
    machine.set(at, machine.at(at) | 1L << bit);

    assertRefused(
        FaultReason.INTERRUPT_ENTRY_RESERVED, 1, port.interrupt(MessageAddress.of(1, false), 0));
    long low = interrupts.table() + 16;
    machine.set(low, machine.at(low) | 2);
    port.interrupt(MessageAddress.of(1, false), 0);
    assertEquals(List.of(), machine.faults(), "fault processing is disabled");
  }

  /** SVT, SQ and SID against requester 00:03.0, which is 0x0018. */
  @ParameterizedTest
  @CsvSource({
    "0, 0, ffff, true", "1, 0, 0018, true", "1, 0, 0019, false", "1, 1, 001c, true",
    "1, 1, 001a, false", "1, 2, 001e, true", "1, 2, 0019, false", "1, 3, 001f, true",
    "1, 3, 0020, false", "2, 0, 0000, true", "2, 0, 0003, true", "2, 0, 0103, false",
    "2, 0, 0100, false"
  })
  void theSourceIsVerified(int type, int qualifier, String source, boolean accepted) {
    interrupts.set(1, 1, 1, type, qualifier, Integer.parseInt(source, 16));
    int result = port.interrupt(MessageAddress.of(1, false), 0);
    if (accepted) {
      assertEquals(DmaPort.OK, result);
      assertEquals(List.of("1:1"), delivered);
    } else {
      assertRefused(FaultReason.INTERRUPT_SOURCE, 1, result);
    }
  }

  @Test
  void whatIsNoEntryIsRefusedByName() {
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(ENTRIES, 0, 0, 0, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(-1, 0, 0, 0, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(0, 0, 256, 0, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(0, 0, 0, 3, 0, 0));
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(0, 0, 0, 0, 4, 0));
    assertThrows(IllegalArgumentException.class, () -> interrupts.set(0, 0, 0, 0, 0, 0x10000));
    assertThrows(IllegalArgumentException.class, () -> interrupts.clear(ENTRIES));
    assertThrows(IllegalArgumentException.class, () -> MessageAddress.of(0x10000, false));
  }
}

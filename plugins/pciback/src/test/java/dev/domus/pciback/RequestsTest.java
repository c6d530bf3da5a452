package dev.domus.pciback;

import static dev.domus.pciback.SharedPageLayout.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.RequesterId;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.Window;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RequestsTest {
  private static final int GUEST = 3;
  private static final int AER_HANDLER = 2;
  private static final RequesterId NVME = RequesterId.parse("00:04.0");
  private static final RequesterId DMA = RequesterId.parse("00:05.0");

  private final MemorySegment memory = Arena.ofAuto().allocate(2 * 4096L, 4096);
  private final Window page = Window.of(memory, new CodeFrames(2), true, () -> {}, 1L);
  private final FakeFunctions functions = new FakeFunctions();
  private final VirtualSlots slots = new VirtualSlots();
  private final Requests requests = new Requests(GUEST, functions, slots);

  RequestsTest() {
    functions.owners.put(NVME, GUEST);
    functions.owners.put(DMA, GUEST);
    slots.add(NVME);
    slots.add(DMA);
  }

  private int ask(int command, int devfn, int offset, int size, int value) {
    page.putInt(COMMAND, command);
    page.putInt(DEVFN, devfn);
    page.putInt(OFFSET, offset);
    page.putInt(SIZE, size);
    page.putInt(VALUE, value);
    page.putInt(FLAGS, ACTIVE | AER_HANDLER);
    assertTrue(requests.serve(page));
    assertEquals(AER_HANDLER, page.getInt(FLAGS), "the other flags are the guest's");
    return page.getInt(ERROR);
  }

  @Test
  void withoutTheFlagThereIsNoRequest() {
    page.putInt(COMMAND, CONF_WRITE);
    assertFalse(requests.serve(page));
  }

  @Test
  void registersAreReadWhereTheGuestSeesTheFunction() {
    functions.config.put(0, 0x0010_1b36);
    assertEquals(SUCCESS, ask(CONF_READ, 0, 0, 4, 0));
    assertEquals(0x0010_1b36, page.getInt(VALUE));
    assertEquals(DEVICE_NOT_FOUND, ask(CONF_READ, 1, 0, 4, 0));
    assertEquals(DEVICE_NOT_FOUND, ask(CONF_READ, 2 << 3, 0, 4, 0));
    page.putInt(BUS, 1);
    assertEquals(DEVICE_NOT_FOUND, ask(CONF_READ, 0, 0, 4, 0));
  }

  @Test
  void aFunctionThatHasGoneIsNotFound() {
    functions.owners.put(NVME, GUEST + 1);
    assertEquals(DEVICE_NOT_FOUND, ask(CONF_READ, 0, 0, 4, 0));
    assertEquals(SUCCESS, ask(CONF_READ, 1 << 3, 0, 4, 0));
  }

  @Test
  void thereAreNoRegistersBeyondTheSpaceOrAcrossWords() {
    for (int[] place :
        new int[][] {{4096, 4}, {-4, 4}, {2, 4}, {1, 2}, {0, 3}, {0, 0}, {0, 8}, {4094, 4}}) {
      assertEquals(INVALID_OFFSET, ask(CONF_READ, 0, place[0], place[1], 0));
      assertEquals(INVALID_OFFSET, ask(CONF_WRITE, 0, place[0], place[1], 0));
    }
    assertEquals(SUCCESS, ask(CONF_READ, 0, 4092, 4, 0));
  }

  @Test
  void writesReachCommandAndProbesAndNothingElse() {
    assertEquals(SUCCESS, ask(CONF_WRITE, 0, 0x04, 2, 0xffff_0006));
    assertEquals(SUCCESS, ask(CONF_WRITE, 0, 0x04, 4, 0xffff_0002));
    assertEquals(SUCCESS, ask(CONF_WRITE, 0, 0x10, 4, -1));
    assertEquals(
        List.of("00:04.0 4 2 6", "00:04.0 4 2 2", "00:04.0 10 4 ffffffff"), functions.writes);
    functions.writes.clear();
    for (int offset : new int[] {0, 6, 8, 0x0e, 0x2c, 0x34, 0x40, 0x48, 0x80, 0x82, 0x100, 0xffc}) {
      assertEquals(SUCCESS, ask(CONF_WRITE, 0, offset, 2, 0xffff), "drivers write what they read");
    }
    assertEquals(List.of(), functions.writes);
  }

  @Test
  void msiIsEnabledOnceAndGivenBack() {
    assertEquals(SUCCESS, ask(ENABLE_MSI, 0, 0, 0, 0));
    assertEquals(16, page.getInt(VALUE));
    assertEquals(OPERATION_FAILED, ask(ENABLE_MSI, 0, 0, 0, 0));
    assertEquals(Map.of(16, "00:04.0 MSI 0"), functions.mapped);
    assertEquals(SUCCESS, ask(DISABLE_MSI, 0, 0, 0, 0));
    assertEquals(Map.of(), functions.mapped);
    assertEquals(SUCCESS, ask(DISABLE_MSI, 0, 0, 0, 0));
  }

  private void entry(int index, int entry) {
    page.putShort(MSIX_ENTRIES + index * MSIX_ENTRY_SIZE + MSIX_ENTRY, (short) entry);
  }

  @Test
  void entriesOfMsixAreEnabledAllOrNone() {
    entry(0, 2);
    entry(1, 0);
    assertEquals(SUCCESS, ask(ENABLE_MSIX, 1 << 3, 0, 0, 2));
    assertEquals(16, page.getShort(MSIX_ENTRIES + MSIX_VECTOR));
    assertEquals(17, page.getShort(MSIX_ENTRIES + MSIX_ENTRY_SIZE + MSIX_VECTOR));
    assertEquals(Map.of(16, "00:05.0 MSI_X 2", 17, "00:05.0 MSI_X 0"), functions.mapped);
    entry(1, 4);
    assertEquals(OPERATION_FAILED, ask(ENABLE_MSIX, 0, 0, 0, 2));
    assertEquals(2, functions.mapped.size(), "half of them stayed");
    assertEquals(INVALID_OFFSET, ask(ENABLE_MSIX, 0, 0, 0, 129));
    assertEquals(INVALID_OFFSET, ask(ENABLE_MSIX, 0, 0, 0, -1));
    requests.disableAll();
    assertEquals(Map.of(), functions.mapped);
  }

  @Test
  void whatIsNotARequestIsNotImplemented() {
    assertEquals(NOT_IMPLEMENTED, ask(6, 0, 0, 0, 0));
    assertEquals(NOT_IMPLEMENTED, ask(-1, 0, 0, 0, 0));
  }

  @Test
  void nonsenseIsAnsweredAndHoldsNoMoreInterruptsThanThereAreVectors() {
    Random random = new Random(7);
    byte[] junk = new byte[4096];
    for (int i = 0; i < 20_000; i++) {
      random.nextBytes(junk);
      page.write(0, junk, 0, junk.length);
      page.putInt(DOMAIN, 0);
      page.putInt(BUS, 0);
      ask(
          random.nextInt(8),
          random.nextInt(3) << 3,
          random.nextInt(70) - 3,
          random.nextInt(6),
          random.nextInt(6));
      assertTrue(functions.mapped.size() <= 8);
    }
  }
}

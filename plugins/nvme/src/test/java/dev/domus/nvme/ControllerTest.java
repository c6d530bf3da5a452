package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Registers, the handshake, admin commands. Numbers are the specification's. */
class ControllerTest {
  private static final int IDENTIFY = 6, GET_LOG = 2, SET = 9, GET = 10, EVENT = 12, ABORT = 8;

  @Test
  void capabilitiesAreWhatDriversNeed() {
    try (Driver driver = new Driver(new MemoryDisk(4096), 9, 1)) {
      long cap = driver.bus.load(0, Driver.CAP, 8);
      assertEquals(1023, cap & 0xffff, "MQES");
      assertEquals(1, cap >>> 16 & 1, "CQR");
      assertTrue((cap >>> 24 & 0xff) >= 4, "TO, in 500 ms");
      assertEquals(0, cap >>> 32 & 15, "DSTRD");
      assertEquals(1, cap >>> 37 & 0xff, "CSS: the NVM command set");
      assertEquals(0, cap >>> 48 & 15, "MPSMIN");
      assertEquals(0x10400, driver.bus.load(0, Driver.VS, 4));
      assertEquals(0, driver.csts());
    }
  }

  @Test
  void enableDisableAndEnableAgain() {
    try (Driver driver = Driver.enabled()) {
      driver.queue(1, 8);
      driver.disable();
      assertEquals(0, driver.csts());
      driver.enable();
      driver.expect(0x101, Driver.deleteSq(1)); // queues are gone
      assertEquals(Driver.ADMIN_SQ, driver.bus.load(0, Driver.ASQ, 8), "ASQ outlives a disable");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1 << 4, 6 << 4, 1 << 7, 15 << 7, 1 << 11})
  void whatIsNotSupportedIsNeverReady(int bits) {
    try (Driver driver = new Driver(new MemoryDisk(4096), 9, 1)) {
      driver.bus.store(0, Driver.AQA, 4, 0x0007_0007);
      driver.bus.store(0, Driver.ASQ, 8, Driver.ADMIN_SQ);
      driver.bus.store(0, Driver.ACQ, 8, Driver.ADMIN_CQ);
      driver.bus.store(0, Driver.CC, 4, Driver.ENABLED | bits);
      assertEquals(2, driver.csts(), "CFS and not RDY");
      driver.disable();
      driver.awaitStatus(2, 0);
      driver.enable();
    }
  }

  @Test
  void shutdownFlushesTheDiskAndSaysSo() {
    MemoryDisk disk = new MemoryDisk(4096);
    disk.flushGate = new CountDownLatch(1);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      driver.bus.store(0, Driver.CC, 4, Driver.ENABLED | 1 << 14);
      assertEquals(1 << 2, driver.csts() & 0xc, "shutdown occurring");
      disk.flushGate.countDown();
      driver.awaitStatus(0xc, 2 << 2);
      assertEquals(1, disk.flushes);
      driver.disable();
      assertEquals(0, driver.csts());
    }
  }

  private static ByteBuffer identify(Driver driver, int cns, int namespace) {
    Command command = new Command(IDENTIFY, namespace).prp(Driver.DATA, 0).dword(10, cns);
    driver.expect(0, command);
    return ByteBuffer.wrap(driver.memory.get(Driver.DATA, 4096)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static String text(ByteBuffer of, int at, int length) {
    return new String(of.array(), at, length, StandardCharsets.US_ASCII);
  }

  @Test
  void identifyController() {
    try (Driver driver = Driver.enabled()) {
      ByteBuffer data = identify(driver, 1, 0);
      assertEquals("serial-1            ", text(data, 4, 20));
      assertEquals("Domus NVMe controller", text(data, 24, 40).strip());
      assertEquals("1.0     ", text(data, 64, 8));
      assertEquals(6, data.get(77), "MDTS: 2^6 pages");
      assertEquals(0x10400, data.getInt(80), "VER, as VS");
      assertEquals(1, data.get(111), "CNTRLTYPE: I/O controller");
      assertEquals(0x66, data.get(512), "SQES");
      assertEquals(0x44, data.get(513), "CQES");
      assertEquals(1, data.getInt(516), "NN");
      assertEquals(0b1101, data.getShort(520), "ONCS: Compare, DSM, Write Zeroes");
      assertEquals(7, data.get(525), "VWC: present, flush of all namespaces");
      assertEquals(0, data.getInt(536), "SGLS: none");
      String name = text(data, 768, 256);
      assertTrue(name.startsWith("nqn.2014-08.org.nvmexpress:uuid:"), name);
      assertEquals(0, name.charAt(name.indexOf('\0') + 1), "terminated");
    }
  }

  @Test
  void identifyNamespaces() {
    try (Driver driver = Driver.enabled(new MemoryDisk((1 << 20) + 100), 12, 1)) {
      ByteBuffer data = identify(driver, 0, 1);
      assertEquals(256, data.getLong(0), "NSZE");
      assertEquals(256, data.getLong(8), "NCAP");
      assertEquals(0, data.get(25), "NLBAF: one format");
      assertEquals(12 << 16, data.getInt(128), "LBADS");
      assertEquals(1, identify(driver, 2, 0).getInt(0));
      assertEquals(0, identify(driver, 2, 1).getInt(0));
      ByteBuffer descriptors = identify(driver, 3, 1);
      assertEquals(0x1002, descriptors.getShort(0), "NGUID, 16 bytes");
      assertEquals(0x1003, descriptors.getShort(20), "UUID, 16 bytes");
      assertEquals(data.getLong(104), descriptors.getLong(4), "one NGUID");
      driver.expect(0x00b, new Command(IDENTIFY, 2).prp(Driver.DATA, 0).dword(10, 0));
      driver.expect(0x00b, new Command(IDENTIFY, -1).prp(Driver.DATA, 0).dword(10, 2));
      driver.expect(0x002, new Command(IDENTIFY, 1).prp(Driver.DATA, 0).dword(10, 0x10));
    }
  }

  @Test
  void featuresAreSetAndRead() {
    try (Driver driver = Driver.enabled()) {
      Completion queues = driver.admin(Command.admin(SET).dword(10, 7).dword(11, 0x003f_003f));
      assertEquals(0, queues.status());
      for (int feature : new int[] {1, 4, 5, 8, 0xa, 0xb}) {
        driver.expect(0, Command.admin(SET).dword(10, feature).dword(11, 0x155));
        assertEquals(0x155, driver.admin(Command.admin(GET).dword(10, feature)).result());
      }
      assertEquals(343, driver.admin(Command.admin(GET).dword(10, 4 | 1 << 8)).result(), "default");
      assertEquals(0x0003_0003, driver.admin(Command.admin(GET).dword(10, 7)).result());
      driver.expect(0, Command.admin(SET).dword(10, 9).dword(11, 2 | 1 << 16));
      assertEquals(
          2 | 1 << 16, driver.admin(Command.admin(GET).dword(10, 9).dword(11, 2)).result());
      driver.expect(0x002, Command.admin(GET).dword(10, 9).dword(11, 5));
      driver.expect(0x002, Command.admin(SET).dword(10, 2).dword(11, 1)); // no such power state
      driver.expect(0x10d, Command.admin(SET).dword(10, 1 | 1 << 31));
      driver.expect(0x002, Command.admin(SET).dword(10, 3));
      driver.expect(0x002, Command.admin(GET).dword(10, 0xc0));
      driver.queue(1, 8);
      driver.expect(0x00c, Command.admin(SET).dword(10, 7).dword(11, 1)); // queues are there
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x101, 5, 0, 8, 0x1000000, 3", // CQ 0 is the admin queue's
    "0x101, 5, 5, 8, 0x1000000, 3",
    "0x102, 5, 1, 1, 0x1000000, 3",
    "0x102, 5, 1, 1025, 0x1000000, 3",
    "0x013, 5, 1, 8, 0x1000004, 3",
    "0x002, 5, 1, 8, 0x1000000, 2", // not contiguous
    "0x108, 5, 1, 8, 0x1000000, 0x50003", // vector 5 of 0 to 4
    "0x101, 1, 0, 8, 0x1000000, 0x20001",
    "0x101, 1, 5, 8, 0x1000000, 0x20001",
    "0x102, 1, 1, 1, 0x1000000, 0x20001",
    "0x013, 1, 1, 8, 0x1000800, 0x20001",
    "0x002, 1, 1, 8, 0x1000000, 0x20000",
    "0x100, 1, 1, 8, 0x1000000, 0x30001", // no CQ 3
    "0x100, 1, 1, 8, 0x1000000, 0x00001", // the admin queue
    "0x101, 1, 1, 8, 0x1000000, 0x90001",
    "0x101, 5, 2, 8, 0x1000000, 3", // it exists
    "0x101, 1, 2, 8, 0x1000000, 0x20001"
  })
  void queuesThatMakeNoSenseAreNotCreated(
      String status, int opcode, int id, int entries, String base, String flags) {
    try (Driver driver = Driver.enabled()) {
      driver.queue(2, 8);
      Command command =
          Command.admin(opcode)
              .prp(Long.decode(base), 0)
              .dword(10, id | entries - 1 << 16)
              .dword(11, Integer.decode(flags));
      driver.expect(Integer.decode(status), command);
    }
  }

  @Test
  void queuesAreDeletedInOrder() {
    try (Driver driver = Driver.enabled()) {
      driver.queue(1, 8);
      driver.expect(0x10c, Driver.deleteCq(1));
      driver.expect(0x101, Driver.deleteSq(2));
      driver.expect(0x101, Driver.deleteSq(0));
      driver.expect(0x101, Driver.deleteCq(0));
      driver.expect(0, Driver.deleteSq(1));
      driver.expect(0, Driver.deleteCq(1));
      driver.queue(1, 16);
    }
  }

  @Test
  void unknownCommandsAndFormsOfData() {
    try (Driver driver = Driver.enabled()) {
      driver.expect(0x001, Command.admin(0x18)); // Keep Alive, which only fabrics need
      driver.expect(0x001, Command.admin(0xff));
      driver.expect(0x002, Command.admin(IDENTIFY | 1 << 8).dword(0, IDENTIFY | 1 << 8)); // fused
      driver.expect(0x002, Command.admin(IDENTIFY).dword(0, IDENTIFY | 1 << 14)); // SGL
    }
  }

  @Test
  void logPages() {
    try (Driver driver = Driver.enabled()) {
      driver.expect(0x001, Command.admin(0x18));
      int size = 511 << 16;
      driver.expect(0, new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 1 | 255 << 16));
      assertEquals(1, driver.memory.getLong(Driver.DATA), "error count");
      assertEquals(0x001, driver.memory.getInt(Driver.DATA + 12) >>> 1 & 0x7ff, "its status");
      driver.expect(0, new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 2 | 127 << 16));
      ByteBuffer smart =
          ByteBuffer.wrap(driver.memory.get(Driver.DATA, 512)).order(ByteOrder.LITTLE_ENDIAN);
      assertEquals(0, smart.get(0), "critical warning");
      assertEquals(298, smart.getShort(1), "temperature");
      assertEquals(1, smart.getLong(176), "errors");
      driver.expect(0, new Command(GET_LOG, 0).prp(Driver.DATA, 0).dword(10, 3 | 127 << 16));
      assertEquals(1, driver.memory.getInt(Driver.DATA) & 0xff, "active firmware slot");
      driver.expect(0, new Command(GET_LOG, 0).prp(Driver.DATA, 0).dword(10, 3).dword(12, 8));
      assertEquals(
          "1.0 ", new String(driver.memory.get(Driver.DATA, 4), StandardCharsets.US_ASCII));
      driver.expect(0x109, new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 0x70 | size));
      driver.expect(0x002, new Command(GET_LOG, 1).prp(Driver.DATA, 0).dword(10, 2 | size));
      driver.expect(
          0x002, new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 2).dword(12, 1024));
      driver.expect(
          0x002,
          new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 2 | 0xffff << 16).dword(11, -1));
    }
  }

  @Test
  void badDoorbellsAreEventsAndNothingElse() {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue queue = driver.queue(1, 8);
      final int first = driver.admin.put(Command.admin(EVENT));
      driver.admin.ring();
      queue.ringTail(8); // an index beyond the queue
      Completion event = driver.admin.take();
      assertEquals(first, event.commandId());
      assertEquals(1 << 8 | 1 << 16, event.result(), "error, invalid value, log page 1");
      queue.ringTail(-1);
      queue.ringHead(1); // there is no completion to take
      driver.bus.store(0, 0x1000 + 3 * 8, 4, 1); // there is no queue 3
      driver.admin.put(Command.admin(EVENT));
      driver.admin.ring();
      driver.admin.ringHead(driver.admin.head);
      // Masked until the log page is read; the kinds that happened meanwhile come one by one.
      int id = driver.admin.put(new Command(GET_LOG, -1).prp(Driver.DATA, 0).dword(10, 1));
      driver.admin.ring();
      assertEquals(id, driver.admin.take().commandId());
      assertEquals(0 << 8 | 1 << 16, driver.admin.take().result(), "invalid doorbell register");
      driver.admin.ringHead(driver.admin.head);
      Completion read = queue.run(Command.io(2, 0, 1).prp(Driver.DATA, 0));
      assertEquals(0, read.status(), "the queue goes on");
    }
  }

  @Test
  void eventRequestsHaveALimitAndCanBeAborted() {
    try (Driver driver = Driver.enabled()) {
      int first = driver.admin.put(Command.admin(EVENT));
      for (int i = 0; i < 3; i++) {
        driver.admin.put(Command.admin(EVENT));
      }
      driver.expect(0x105, Command.admin(EVENT)); // a fifth one
      int abort = driver.admin.put(Command.admin(ABORT).dword(10, first << 16));
      driver.admin.ring();
      Completion aborted = driver.admin.take();
      assertEquals(first, aborted.commandId());
      assertEquals(0x007, aborted.status());
      Completion done = driver.admin.take();
      assertEquals(abort, done.commandId());
      assertEquals(0, done.result(), "it was aborted");
      driver.admin.ringHead(driver.admin.head);
      assertEquals(1, driver.admin(Command.admin(ABORT).dword(10, 1 | 77 << 16)).result());
    }
  }

  @Test
  void aTemperatureBeyondItsThresholdIsAnEvent() {
    try (Driver driver = Driver.enabled()) {
      int id = driver.admin.put(Command.admin(EVENT));
      driver.admin.ring();
      driver.expect(0, Command.admin(SET).dword(10, 0xb).dword(11, 2));
      driver.admin.put(Command.admin(SET).dword(10, 4).dword(11, 290));
      driver.admin.ring();
      Completion set = driver.admin.take();
      Completion event = driver.admin.take();
      assertEquals(0, set.status());
      assertEquals(id, event.commandId());
      assertEquals(1 | 1 << 8 | 2 << 16, event.result(), "SMART, temperature, log page 2");
    }
  }

  @Test
  void anAdminQueueThatIsNotInMemoryIsFatalUntilReset() {
    try (Driver driver = Driver.enabled()) {
      driver.memory.unmap(Driver.ADMIN_SQ, 1);
      driver.admin.ringTail(1);
      driver.awaitStatus(2, 2);
      assertFalse(driver.admin.hasCompletion());
      driver.disable();
      assertEquals(0, driver.csts());
      driver.memory.map(Driver.ADMIN_SQ, 1);
      driver.enable();
      driver.expect(0, Command.admin(GET).dword(10, 1));
      byte[] none = new byte[16];
      assertArrayEquals(none, driver.memory.get(Driver.ADMIN_CQ + 16, 16));
    }
  }
}

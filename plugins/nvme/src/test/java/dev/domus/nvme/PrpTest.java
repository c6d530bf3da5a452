package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.device.contract.SoftwareMemory;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Entries that point everywhere: each is a status, nothing else is read or written. */
class PrpTest {
  private static final int WRITE = 1, READ = 2;
  private static final long PAGES = 0x2000_0000L, LIST = 0x3000_0000L, NOWHERE = 0x7000_0000L;
  private static final int PAGE = 4096;

  private final MemoryDisk disk = new MemoryDisk(1 << 20);
  private Driver driver;
  private Driver.Queue queue;

  @BeforeEach
  void enable() {
    driver = Driver.enabled(disk, 9, 1);
    queue = driver.queue(1, 16);
    driver.memory.map(PAGES, 70);
    driver.memory.map(LIST, 2);
    Arrays.fill(disk.contents, (byte) 0x5a);
  }

  @AfterEach
  void close() {
    driver.close();
  }

  private int run(int opcode, int blocks, long prp1, long prp2) {
    return queue.run(Command.io(opcode, 0, blocks).prp(prp1, prp2)).status();
  }

  @ParameterizedTest
  @CsvSource({
    "0x013, 1, 0x20000001, 0", // the first entry is not aligned to four bytes
    "0x013, 1, 0x20000002, 0",
    "0,     1, 0x20000ffc, 0x20001000", // four bytes in the first page, the rest in the second
    "0x013, 1, 0x20000ffc, 0x20001004", // a second page with an offset
    "0x013, 9, 0x20000000, 0x20001200",
    "0x013, 17, 0x20000000, 0x30000004", // a list that is not aligned to eight bytes
    "0x004, 1, 0x70000000, 0",
    "0x004, 9, 0x20000000, 0x70000000",
    "0x004, 17, 0x20000000, 0x70000000", // the list is nowhere
    "0x004, 1, 0xfffffffffffff000, 0",
    "0x004, 1, 0x8000000000000000, 0",
    "0x002, 513, 0x20000000, 0x30000000" // MDTS
  })
  void entriesOfTheCommand(String status, int blocks, String prp1, String prp2) {
    int expected = Integer.decode(status);
    assertEquals(expected, run(WRITE, blocks, address(prp1), address(prp2)));
    for (int at = 0; at < disk.contents.length; at += 512) { // what failed has written nothing
      boolean isWritten = expected == 0 && at == 0;
      assertEquals(isWritten ? 0 : 0x5a, disk.contents[at], "disk at " + at);
    }
    assertEquals(expected, run(READ, blocks, address(prp1), address(prp2)));
  }

  private static long address(String text) {
    return text.startsWith("0x") ? Long.parseUnsignedLong(text.substring(2), 16) : 0;
  }

  @Test
  void entriesOfLists() {
    for (int i = 0; i < 64; i++) {
      driver.memory.putLong(LIST + i * 8L, PAGES + (i + 1L) * PAGE);
    }
    assertEquals(0, run(READ, 512, PAGES, LIST));
    driver.memory.putLong(LIST + 8, PAGES + 8); // an offset inside
    assertEquals(0x013, run(READ, 512, PAGES, LIST));
    driver.memory.putLong(LIST + 8, NOWHERE);
    assertEquals(0x004, run(READ, 512, PAGES, LIST));
    assertEquals(0x004, run(WRITE, 512, PAGES, LIST));
    assertEquals(0x5a, disk.contents[512]);
  }

  @Test
  void listsThatLeadToThemselvesEnd() {
    long last = LIST + PAGE - 8;
    driver.memory.putLong(last, LIST); // a link back to the page that it is in
    for (int i = 0; i < 511; i++) {
      driver.memory.putLong(LIST + i * 8L, LIST); // whose entries are all the page itself
    }
    assertEquals(0, run(READ, 64, PAGES, last)); // the data went over the list, after it was read
    assertEquals(0x5a, driver.memory.getInt(LIST) & 0xff);
    driver.memory.putLong(LIST + PAGE - 8, NOWHERE);
    assertEquals(0x004, run(READ, 64, PAGES, last));
    driver.memory.putLong(LIST + PAGE - 8, LIST + 8); // a link with an offset
    assertEquals(0x013, run(READ, 64, PAGES, last));
  }

  @Test
  void whatIsReadOnlyToTheDeviceIsNotWritten() {
    driver.memory.map(NOWHERE, 1, true, false);
    byte[] before = driver.memory.get(NOWHERE, SoftwareMemory.PAGE);
    assertEquals(0x004, run(READ, 1, NOWHERE, 0));
    assertArrayEquals(before, driver.memory.get(NOWHERE, SoftwareMemory.PAGE));
    assertEquals(0, run(WRITE, 1, NOWHERE, 0));
    assertEquals(0, disk.contents[0]);
  }
}

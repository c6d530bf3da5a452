package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Statuses of I/O commands that the model test does not come to. */
class NvmCommandsTest {
  private static final int FLUSH = 0, WRITE = 1, READ = 2, COMPARE = 5, ZEROES = 8, DATASET = 9;
  private static final int FUA = 1 << 30;

  private static Command write(int block) {
    return Command.io(WRITE, block, 1).prp(Driver.DATA, 0);
  }

  @Test
  void whatMakesNoSense() {
    try (Driver driver = Driver.enabled()) {
      Driver.Queue queue = driver.queue(1, 8);
      assertEquals(0x001, queue.run(new Command(0x0d, 1)).status(), "reservations");
      assertEquals(0x00b, queue.run(new Command(READ, 0)).status());
      assertEquals(0x00b, queue.run(new Command(READ, 2)).status());
      assertEquals(0x00b, queue.run(new Command(READ, -1)).status());
      assertEquals(0, queue.run(new Command(FLUSH, -1)).status());
      assertEquals(0x080, queue.run(Command.io(READ, 2048, 1).prp(Driver.DATA, 0)).status());
      assertEquals(0x080, queue.run(Command.io(READ, 2047, 2).prp(Driver.DATA, 0)).status());
      assertEquals(0x080, queue.run(Command.io(READ, -1L, 2).prp(Driver.DATA, 0)).status());
      assertEquals(0x080, queue.run(Command.io(ZEROES, 1, 65536)).status());
      assertTrue(!queue.run(new Command(0x0d, 1)).retry(), "do not retry");
    }
  }

  @Test
  void aWriteProtectedDiskIsRead() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    disk.readOnly = true;
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      assertEquals(0x020, queue.run(write(0)).status());
      assertEquals(0x020, queue.run(Command.io(ZEROES, 0, 1)).status());
      Command deallocate = new Command(DATASET, 1).prp(Driver.DATA, 0).dword(11, 4);
      assertEquals(0x020, queue.run(deallocate).status());
      assertEquals(0, queue.run(Command.io(READ, 0, 1).prp(Driver.DATA, 0)).status());
      driver.expect(0, new Command(6, 1).prp(Driver.DATA, 0));
      assertEquals(1, driver.memory.getInt(Driver.DATA + 96) >>> 24, "NSATTR");
    }
  }

  @Test
  void aDiskThatFailsIsAMediaErrorAndNoMore() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      disk.fails = true;
      Completion failed = queue.run(Command.io(READ, 0, 1).prp(Driver.DATA, 0));
      assertEquals(0x281, failed.status());
      assertTrue(failed.retry());
      assertEquals(0x280, queue.run(write(0)).status());
      assertEquals(0x280, queue.run(Command.io(ZEROES, 0, 1)).status());
      assertEquals(0x281, queue.run(Command.io(COMPARE, 0, 1).prp(Driver.DATA, 0)).status());
      assertEquals(0x280, queue.run(new Command(FLUSH, 1)).status());
      disk.fails = false;
      assertEquals(0, queue.run(write(0)).status());
      driver.expect(0, new Command(2, -1).prp(Driver.DATA, 0).dword(10, 2 | 127 << 16));
      assertEquals(5, driver.memory.getLong(Driver.DATA + 160), "media errors");
      assertEquals(1, driver.memory.getLong(Driver.DATA + 80), "writes");
    }
  }

  @Test
  void writesReachTheDiskAtOnceWhenTheyAreToldTo() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      queue.run(write(0));
      assertEquals(0, disk.flushes, "there is a write cache");
      queue.run(write(0).dword(12, FUA));
      assertEquals(1, disk.flushes);
      driver.expect(0, Command.admin(9).dword(10, 6).dword(11, 0)); // no write cache
      queue.run(write(0));
      assertEquals(2, disk.flushes);
      queue.run(Command.io(ZEROES, 0, 1));
      assertEquals(3, disk.flushes);
    }
  }

  @Test
  void allRangesAreLookedAtBeforeOneIsDeallocated() {
    MemoryDisk disk = new MemoryDisk(1 << 20);
    Arrays.fill(disk.contents, (byte) 1);
    try (Driver driver = Driver.enabled(disk, 9, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      driver.memory.putInt(Driver.DATA + 4, 1);
      driver.memory.putInt(Driver.DATA + 16 + 4, 2);
      driver.memory.putLong(Driver.DATA + 16 + 8, 2047);
      Command both = new Command(DATASET, 1).prp(Driver.DATA, 0).dword(10, 1).dword(11, 4);
      assertEquals(0x080, queue.run(both).status());
      assertEquals(1, disk.contents[0]);
      driver.memory.putLong(Driver.DATA + 16 + 8, 2046);
      assertEquals(0, queue.run(both).status());
      assertEquals(0, disk.contents[0]);
      assertEquals(1, disk.contents[512]);
      assertEquals(0, disk.contents[2047 * 512]);
    }
  }
}

package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/**
 * Random commands against a disk that is an array: what each returns, what it does to memory, and
 * what is on the disk in the end. Data lie in pages in any order, at any offset, behind lists that
 * begin anywhere in their page.
 */
class ModelTest {
  private static final int DISK = 1 << 20;
  private static final int FLUSH = 0, WRITE = 1, READ = 2, COMPARE = 5, ZEROES = 8, DATASET = 9;
  private static final long POOL = 0x7_0000_0000L;
  private static final int POOL_PAGES = 80;
  private static final long LISTS = 0x1234_5000L;
  private static final int PAGE = 4096;

  private record Data(Command command, long[] pages, int offset) {}

  /** Where a command's data are: pages out of the pool, in random order. */
  private static Data place(Driver driver, Random random, Command command, int bytes) {
    int offset = random.nextBoolean() ? 0 : random.nextInt(PAGE / 4) * 4;
    int count = (offset + bytes + PAGE - 1) / PAGE;
    long[] pages = new long[count];
    int first = random.nextInt(POOL_PAGES);
    int step =
        1 + 2 * random.nextInt(2); // 1 or 3, which is prime to the pool's size: no page twice
    for (int i = 0; i < count; i++) {
      pages[i] = POOL + (long) (first + i * step) % POOL_PAGES * PAGE;
    }
    long second = 0;
    if (count == 2) {
      second = pages[1];
    } else if (count > 2) {
      int entry = random.nextBoolean() ? 0 : 512 - 1 - random.nextInt(20);
      second = LISTS + entry * 8L;
      long at = second;
      for (int i = 1; i < count; i++) {
        if (at == LISTS + PAGE - 8 && i < count - 1) {
          driver.memory.putLong(at, LISTS + PAGE); // the next list
          at = LISTS + PAGE;
        }
        driver.memory.putLong(at, pages[i]);
        at += 8;
      }
    }
    command.prp(pages[0] + offset, second);
    return new Data(command, pages, offset);
  }

  private static byte[] get(Driver driver, Data data, int bytes) {
    byte[] all = new byte[data.pages.length * PAGE];
    for (int i = 0; i < data.pages.length; i++) {
      System.arraycopy(driver.memory.get(data.pages[i], PAGE), 0, all, i * PAGE, PAGE);
    }
    return Arrays.copyOfRange(all, data.offset, data.offset + bytes);
  }

  private static void put(Driver driver, Data data, byte[] bytes) {
    for (int done = 0; done < bytes.length; ) {
      int at = data.offset + done;
      int piece = Math.min(bytes.length - done, PAGE - at % PAGE);
      driver.memory.put(
          data.pages[at / PAGE] + at % PAGE, Arrays.copyOfRange(bytes, done, done + piece));
      done += piece;
    }
  }

  @Property(tries = 60, seed = "3")
  void commandsDoToTheDiskWhatTheyDoToAnArray(
      @ForAll long seed, @ForAll @IntRange(min = 0, max = 1) int large) {
    int order = large == 0 ? 9 : 12;
    Random random = new Random(seed);
    MemoryDisk disk = new MemoryDisk(DISK);
    byte[] model = new byte[DISK];
    int total = DISK >> order;
    try (Driver driver = Driver.enabled(disk, order, 2)) {
      driver.memory.map(POOL, POOL_PAGES);
      driver.memory.map(LISTS, 2);
      Driver.Queue[] queues = {driver.queue(1, 3), driver.queue(2, 64)};
      for (int i = 0; i < 60; i++) {
        Driver.Queue queue = queues[random.nextInt(2)];
        int opcode =
            new int[] {FLUSH, WRITE, WRITE, READ, READ, COMPARE, ZEROES, DATASET}
                [random.nextInt(8)];
        int blocks = 1 + random.nextInt((256 << 10 >> order) + 2);
        long block = random.nextInt(20) == 0 ? random.nextLong() : random.nextInt(total + 2);
        Command command = Command.io(opcode, block, blocks);
        int bytes = blocks << order;
        boolean tooLong =
            bytes > 256 << 10 && (opcode == WRITE || opcode == READ || opcode == COMPARE);
        boolean beyond = Long.compareUnsigned(block, total) >= 0 || block + blocks > total;
        int at = (int) block << order;
        int expected = tooLong ? 0x002 : beyond ? 0x080 : 0;
        switch (opcode) {
          case FLUSH -> assertEquals(0, queue.run(command).status());
          case DATASET -> {
            driver.memory.putInt(Driver.DATA + 4, blocks);
            driver.memory.putLong(Driver.DATA + 8, block);
            command.prp(Driver.DATA, 0).dword(10, 0).dword(11, 4).dword(12, 0);
            expected = beyond ? 0x080 : 0;
            assertEquals(expected, queue.run(command).status());
            if (expected == 0) {
              Arrays.fill(model, at, at + bytes, (byte) 0);
            }
          }
          case ZEROES -> {
            assertEquals(expected, queue.run(command).status());
            if (expected == 0) {
              Arrays.fill(model, at, at + bytes, (byte) 0);
            }
          }
          default -> {
            Data data = place(driver, random, command, Math.min(bytes, 256 << 10));
            byte[] content = new byte[Math.min(bytes, 256 << 10)];
            random.nextBytes(content);
            boolean same = expected == 0 && opcode == COMPARE && random.nextBoolean();
            if (same) {
              content = Arrays.copyOfRange(model, at, at + bytes);
            }
            put(driver, data, content);
            byte[] before = get(driver, data, content.length);
            int status = queue.run(command).status();
            byte[] after = get(driver, data, content.length);
            if (expected == 0 && opcode == COMPARE && !same) {
              expected = 0x285;
            }
            assertEquals(expected, status, "status of " + opcode);
            if (opcode == READ && expected == 0) {
              assertArrayEquals(Arrays.copyOfRange(model, at, at + bytes), after);
            } else {
              assertArrayEquals(before, after, "memory is as it was");
            }
            if (opcode == WRITE && expected == 0) {
              System.arraycopy(content, 0, model, at, bytes);
            }
          }
        }
      }
      assertArrayEquals(model, disk.contents);
      assertEquals(0, driver.memory.faults());
    }
  }
}

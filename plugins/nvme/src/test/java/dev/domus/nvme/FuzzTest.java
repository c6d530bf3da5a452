package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Commands of random bits, half of them near to sense, in queues that are rung with the right index
 * or any other: the controller may answer what it likes, or stand still with CFS, but does not
 * throw, and works after a reset. Memory that the IOMMU keeps from it is as it was.
 */
class FuzzTest {
  private static final int[] ADMIN = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 0x18};
  private static final int[] NVM = {0, 1, 2, 5, 8, 9, 13};
  private static final int[] NUMBERS = {0, 1, 2, 3, 7, 8, 0xff, 0xffff, 0x10001, 0x7ffff, -1};
  private static final long KEPT = 0x6000_0000L;

  private static Command garbage(Random random, int[] opcodes) {
    int opcode =
        random.nextInt(8) == 0 ? random.nextInt(256) : opcodes[random.nextInt(opcodes.length)];
    Command command = new Command(opcode, random.nextInt(3) == 0 ? NUMBERS[random.nextInt(11)] : 1);
    if (random.nextInt(20) == 0) {
      command.bytes.put(1, (byte) random.nextInt(256)); // fused, SGL
    }
    for (int i = 10; i < 16; i++) {
      command.dword(i, random.nextInt(4) == 0 ? random.nextInt() : NUMBERS[random.nextInt(11)]);
    }
    return command.prp(address(random), address(random));
  }

  private static long address(Random random) {
    return switch (random.nextInt(6)) {
      case 0 -> Driver.DATA + random.nextInt(16) * 4096L;
      case 1 -> Driver.DATA + random.nextInt(16 * 1024) * 4L;
      case 2 -> Driver.ADMIN_SQ + random.nextInt(2) * 4096L; // its own queues
      case 3 -> KEPT;
      case 4 -> Driver.QUEUES + random.nextInt(4) * 0x2_0000L;
      default -> random.nextLong();
    };
  }

  @Property(tries = 60, seed = "4")
  void commandsOfRandomBits(@ForAll long seed) {
    Random random = new Random(seed);
    try (Driver driver = Driver.enabled()) {
      driver.memory.map(KEPT, 1, true, false);
      byte[] kept = new byte[4096];
      random.nextBytes(kept);
      driver.memory.put(KEPT, kept);
      byte[] lists = new byte[16 * 4096];
      for (int i = 0; i < lists.length; i += 8) { // addresses wherever a list may be
        ByteBuffer.wrap(lists).order(ByteOrder.LITTLE_ENDIAN).putLong(i, address(random));
      }
      driver.memory.put(Driver.DATA, lists);
      Driver.Queue[] queues = {driver.admin, driver.queue(1, 16), driver.queue(2, 64)};
      for (int i = 0; i < 300; i++) {
        Driver.Queue queue = queues[random.nextInt(3)];
        queue.put(garbage(random, queue.id == 0 ? ADMIN : NVM));
        if (random.nextInt(10) == 0) {
          queue.ringTail(NUMBERS[random.nextInt(11)]);
          queue.ringHead(NUMBERS[random.nextInt(11)]);
        }
        queue.ring();
        if (queue.hasCompletion()) {
          queue.read(); // which a command may have overwritten since: nobody waits for it
          queue.ringHead(queue.head);
        }
      }
      driver.bus.reset();
      assertEquals(List.of(), driver.bus.failures());
      assertArrayEquals(kept, driver.memory.get(KEPT, 4096));
      driver.enable();
      assertEquals(
          0, driver.queue(3, 8).run(Command.io(2, 0, 1).prp(Driver.DATA, 0)).status(), "it works");
    }
  }
}

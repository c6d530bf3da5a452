package dev.domus.dma;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** What the operations do to memory. */
class OperationsTest {
  private static final long FROM = 0x4000_0000, TO = 0x5000_0000_0000L;
  private static final int PAGES = 80;
  private static final int BYTES = PAGES * 4096;

  private static byte[] noise(long seed, int bytes) {
    byte[] noise = new byte[bytes];
    new Random(seed).nextBytes(noise);
    return noise;
  }

  @Property(tries = 60, seed = "2")
  void operationsDoToMemoryWhatTheirNamesSay(@ForAll long seed) {
    Random random = new Random(seed);
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(FROM, PAGES);
      driver.bus.memory().map(TO, PAGES);
      byte[] from = noise(seed, BYTES);
      byte[] to = noise(~seed, BYTES);
      driver.bus.memory().put(FROM, from);
      driver.bus.memory().put(TO, to);
      for (int i = 0; i < 20; i++) {
        int length = 1 + random.nextInt(random.nextBoolean() ? 300 : BYTES / 2);
        int source = random.nextInt(BYTES - length);
        int target = random.nextInt(BYTES - length);
        int operation = 1 + random.nextInt(4);
        long pattern = random.nextLong();
        long expected = length;
        switch (operation) {
          case DescriptorLayout.COPY -> System.arraycopy(from, source, to, target, length);
          case DescriptorLayout.FILL -> fill(to, target, length, pattern);
          case DescriptorLayout.CRC32C -> expected = crc(from, source, length);
          default -> {
            if (random.nextBoolean()) { // something to find
              int same = random.nextInt(length);
              System.arraycopy(from, source, to, target, same);
              driver.bus.memory().put(TO + target, Arrays.copyOfRange(from, source, source + same));
            }
            int differs =
                Arrays.mismatch(from, source, source + length, to, target, target + length);
            expected = differs < 0 ? length : differs;
          }
        }
        long at =
            driver.run(
                operation,
                length,
                operation == DescriptorLayout.FILL ? pattern : FROM + source,
                operation == DescriptorLayout.CRC32C ? 0 : TO + target);
        assertEquals(DescriptorLayout.DONE, driver.status(at));
        assertEquals(expected, driver.result(at), "result of operation " + operation);
      }
      assertArrayEquals(to, driver.bus.memory().get(TO, BYTES));
      assertArrayEquals(from, driver.bus.memory().get(FROM, BYTES));
    }
  }

  private static void fill(byte[] to, int at, int length, long pattern) {
    byte[] bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(pattern).array();
    for (int i = 0; i < length; i++) {
      to[at + i] = bytes[i % 8];
    }
  }

  /** CRC-32C bit by bit: the reflected polynomial of RFC 3720. */
  private static long crc(byte[] bytes, int at, int length) {
    int crc = -1;
    for (int i = at; i < at + length; i++) {
      crc ^= bytes[i] & 0xff;
      for (int bit = 0; bit < 8; bit++) {
        crc = crc >>> 1 ^ ((crc & 1) == 0 ? 0 : 0x82f63b78);
      }
    }
    return ~crc & 0xffff_ffffL;
  }

  @Test
  void theChecksumIsThatOfTheStandard() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(FROM, 1);
      driver.bus.memory().put(FROM, "123456789".getBytes(StandardCharsets.US_ASCII));
      long at = driver.run(DescriptorLayout.CRC32C, 9, FROM, 0);
      assertEquals(0xe3069283L, driver.result(at)); // the check value of CRC-32C
    }
  }

  @Test
  void descriptorsAllocateNothing() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(FROM, 4);
      for (int i = 0; i < 3000; i++) { // until it is compiled, at the latest
        driver.run(1 + i % 4, 4096, FROM, i % 4 == 2 ? 0 : FROM + 8192);
      }
      long before = driver.bus.allocatedByWorkers();
      int descriptors = 2000;
      for (int i = 0; i < descriptors; i++) {
        driver.run(1 + i % 4, 4096, FROM, i % 4 == 2 ? 0 : FROM + 8192);
      }
      long allocated = driver.bus.allocatedByWorkers() - before;
      assertTrue(
          allocated < descriptors, "bytes by %d descriptors: %d".formatted(descriptors, allocated));
    }
  }

  @Test
  void chainsAreDoneInOrderAndCountAsOnePlace() {
    try (Driver driver = Driver.enabled()) {
      driver.bus.memory().map(FROM, 3);
      driver.bus.memory().putLong(FROM, 42);
      driver.describe(FROM + 4096, DescriptorLayout.COPY, 0, 8, FROM + 8, FROM + 16, FROM + 8192);
      driver.describe(FROM + 8192, DescriptorLayout.COPY, 0, 8, FROM + 16, FROM + 24, 0);
      driver.put(DescriptorLayout.COPY, 0, 8, FROM, FROM + 8, FROM + 4096);
      driver.ring();
      driver.awaitDone();
      assertEquals(42, driver.bus.memory().getLong(FROM + 24));
      assertEquals(1, driver.register(RegisterLayout.HEAD));
      assertEquals(3, driver.bus.load(0, RegisterLayout.COMPLETED, 8));
      assertEquals(DescriptorLayout.DONE, driver.status(FROM + 8192));
    }
  }
}

package dev.domus.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.domus.device.contract.SoftwareBus;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceOption;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files as disks, and what operators say of them. */
class FileDiskTest {
  @TempDir Path folder;

  private Path file(int bytes) throws IOException {
    byte[] contents = new byte[bytes];
    Arrays.fill(contents, (byte) 7);
    return Files.write(folder.resolve("disk"), contents);
  }

  private static Map<String, String> options(Path file) {
    Map<String, String> options = new HashMap<>();
    for (DeviceOption option : new NvmeModel().options()) {
      option.defaultText().ifPresent(text -> options.put(option.name(), text));
    }
    options.put("file", file.toString());
    return options;
  }

  @Test
  void whatAGuestWritesIsInTheFile() throws IOException {
    Path file = file(1 << 20);
    try (Driver driver = Driver.enabled(FileDisk.open(file, false), 12, 1)) {
      Driver.Queue queue = driver.queue(1, 8);
      driver.memory.putInt(Driver.DATA, 0x01020304);
      assertEquals(0, queue.run(Command.io(1, 3, 1).prp(Driver.DATA, 0)).status());
      assertEquals(0, queue.run(new Command(0, 1)).status());
      assertEquals(0, queue.run(Command.io(2, 4, 1).prp(Driver.DATA + 4096, 0)).status());
      assertEquals(0x07070707, driver.memory.getInt(Driver.DATA + 4096));
    }
    assertEquals(4, Files.readAllBytes(file)[3 * 4096]);
  }

  /** The host's channel, the port, queues, interrupts: all of a command's way. */
  @Test
  void commandsAllocateNothing() throws IOException {
    Path file = file(1 << 20);
    try (Driver driver = Driver.enabled(FileDisk.open(file, false), 12, 1)) {
      Driver.Queue queue = driver.queue(1, 64);
      for (int i = 0; i < 3000; i++) { // until it is compiled, at the latest
        queue.run(Command.io(1 + i % 2, i % 256, 1).prp(Driver.DATA, 0));
      }
      long before = driver.bus.allocatedByWorkers();
      int commands = 2000;
      for (int i = 0; i < commands; i++) {
        queue.run(Command.io(1 + i % 2, i % 256, 1).prp(Driver.DATA, 0));
      }
      long allocated = driver.bus.allocatedByWorkers() - before;
      assertTrue(allocated < commands, "bytes by %d commands: %d".formatted(commands, allocated));
    }
  }

  @Test
  void aFileThatBecomesShorterIsAnError() throws IOException {
    Path file = file(1 << 16);
    Disk disk = FileDisk.open(file, true);
    Files.write(file, new byte[4096]);
    assertThrows(IOException.class, () -> disk.read(ByteBuffer.allocateDirect(512), 8192));
    disk.close();
  }

  @Test
  void whatIsDiscardedIsZeroAndTakesNoSpace() throws IOException {
    Path file = file(1 << 20);
    Disk disk = FileDisk.open(file, false);
    assumeTrue(disk.canDiscard(), "the file system makes no holes");
    disk.discard(4096 + 512, 65536);
    disk.close();
    byte[] contents = Files.readAllBytes(file);
    assertEquals(1 << 20, contents.length);
    assertEquals(7, contents[4096 + 511]);
    assertEquals(0, contents[4096 + 512]);
    assertEquals(0, contents[4096 + 512 + 65535]);
    assertEquals(7, contents[4096 + 512 + 65536]);
  }

  @Test
  void aDeviceIsMadeOfAFile() throws IOException, DeviceException {
    Path file = file(1 << 20);
    Map<String, String> options = options(file);
    options.put("queues", "32");
    Device device = new NvmeModel().create(options);
    assertEquals(33, device.function().vectors());
    assertEquals(0x010802, device.function().classCode());
    try (SoftwareBus bus = new SoftwareBus(device)) {
      assertNotEquals(0, bus.load(0, 0, 8));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "file, nowhere, truncate",
    "readonly, maybe, yes or no",
    "block-size, 1024, 512 or 4096",
    "queues, 0, from 1 to 32",
    "queues, 33, from 1 to 32",
    "queues, many, from 1 to 32",
    "serial, 123456789012345678901, 20 characters"
  })
  void anErrorNamesTheOptionTheValueAndTheRemedy(String option, String value, String remedy)
      throws IOException {
    Map<String, String> options = options(file(1 << 16));
    options.put(option, option.equals("file") ? folder.resolve(value).toString() : value);
    String message =
        assertThrows(DeviceException.class, () -> new NvmeModel().create(options)).getMessage();
    assertTrue(
        message.contains(option) && message.contains(value) && message.contains(remedy), message);
  }

  @Test
  void aFileWithoutRoomForABlockIsRefused() throws IOException {
    Map<String, String> options = options(file(4095));
    options.put("block-size", "4096");
    String message =
        assertThrows(DeviceException.class, () -> new NvmeModel().create(options)).getMessage();
    assertTrue(message.contains("bytes=4095"), message);
  }
}

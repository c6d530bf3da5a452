package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Guests drive devices that they find through the PV PCI protocol, over a file of the host. */
@Timeout(180)
class DeviceTest {
  private static final int MIB = 1 << 20;

  @TempDir private Path directory;

  @Test
  void aGuestDrivesAnNvmeControllerAndItsWritesAreInTheFile() throws Exception {
    Path disk = directory.resolve("disk.img");
    try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
      file.setLength(8 * MIB);
    }
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("nvme"),
            "--cmdline",
            "reads=2000",
            "--device",
            "nvme@00:04.0,file=" + disk,
            "--pci",
            "00:04.0")) {
      domus.endInput();
      assertEquals(0, domus.await(120), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
      assertTrue(
          domus.err().contains("device nvme at 00:04.0, owner domain 1, was refused a write"),
          domus::transcript);
    }
    byte[] content = Files.readAllBytes(disk);
    assertEquals(8 * MIB, content.length);
    assertTrue(isTouched(content, 0, MIB), "nothing of what the guest wrote is in the file");
    assertTrue(!isTouched(content, MIB, 8 * MIB), "something was written where the guest had not");
  }

  private static boolean isTouched(byte[] content, int from, int to) {
    for (int i = from; i < to; i++) {
      if (content[i] != 0) {
        return true;
      }
    }
    return false;
  }

  @Test
  void aGuestDrivesTheDmaEngineAndReachesNothingElse() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("dma"),
            "--device",
            "dma@00:05.0",
            "--pci",
            "00:05.0")) {
      domus.endInput();
      assertEquals(0, domus.await(120), domus::transcript);
      assertTrue(domus.out().contains(" passed, 0 failed"), domus::transcript);
    }
  }
}

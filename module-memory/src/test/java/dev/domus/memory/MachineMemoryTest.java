package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class MachineMemoryTest {
  @Test
  void memoryIsZeroAndHoldsWhatIsWritten() {
    try (MachineMemory memory = MachineMemory.reserve(1 << 20)) {
      assertEquals(256, memory.frames());
      MemorySegment segment = memory.segment();
      assertEquals(0, segment.get(ValueLayout.JAVA_LONG, (1 << 20) - 8));
      segment.set(ValueLayout.JAVA_LONG, (1 << 20) - 8, 42);
      assertEquals(42, segment.get(ValueLayout.JAVA_LONG, (1 << 20) - 8));
      assertThrows(
          IndexOutOfBoundsException.class, () -> segment.get(ValueLayout.JAVA_LONG, 1 << 20));
    }
  }

  @Test
  void decommittedFramesAreZeroAndUsable() {
    try (MachineMemory memory = MachineMemory.reserve(1 << 20)) {
      MemorySegment segment = memory.segment();
      segment.fill((byte) 5);
      memory.decommit(3, 2);
      assertEquals(5, segment.get(ValueLayout.JAVA_BYTE, (3 << 12) - 1));
      assertEquals(
          -1, segment.asSlice(3 << 12, 2 << 12).mismatch(MemorySegment.ofArray(new byte[2 << 12])));
      assertEquals(5, segment.get(ValueLayout.JAVA_BYTE, 5 << 12));
      segment.set(ValueLayout.JAVA_BYTE, 3 << 12, (byte) 6);
      assertEquals(6, segment.get(ValueLayout.JAVA_BYTE, 3 << 12));
      assertThrows(IndexOutOfBoundsException.class, () -> memory.decommit(255, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> memory.decommit(-1, 1));
    }
  }

  @Test
  void aClosedMachineThrowsInsteadOfCrashing() {
    MachineMemory memory = MachineMemory.reserve(1 << 20);
    MemorySegment segment = memory.segment();
    memory.close();
    assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    assertThrows(IllegalStateException.class, () -> memory.decommit(1, 1));
  }

  @Test
  void oddSizesAreRefused() {
    for (long bytes : new long[] {0, 4096, 65535, (1 << 20) + 1, -4096, (1L << 42) + 4096}) {
      assertThrows(IllegalArgumentException.class, () -> MachineMemory.reserve(bytes));
    }
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void aTerabyteCostsNothingBeforeItIsTouched() throws IOException {
    long before = residentBytes();
    try (MachineMemory memory = MachineMemory.reserve(1L << 40);
        FrameTable frames = new FrameTable(memory.frames())) {
      memory.segment().set(ValueLayout.JAVA_LONG, (1L << 40) - 8, 1);
      frames.assign(memory.frames() - 1, 1);
      assertTrue(residentBytes() - before < 256 << 20);
    } catch (MachineMemoryException e) { // a host with ulimit -v: the message is what it then owes
      assertTrue(
          e.getMessage().contains("MiB") && e.getMessage().contains("ulimit -v"), e.getMessage());
    }
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void closingGivesTheDescriptorBack() {
    int fd;
    try (MachineMemory memory = MachineMemory.reserve(1 << 20)) {
      fd = memory.memfd();
      assertTrue(pointsAtMemory(fd));
    }
    assertFalse(pointsAtMemory(fd));
  }

  /** Either the host's policy allows them, or the message says what it is and how to change it. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void hugePagesAreHadOrRefusedWithTheReason() throws IOException {
    Path policy = Path.of("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    boolean none =
        Files.exists(policy) && Files.readString(policy).matches("(?s).*\\[(never|deny)].*");
    try (MachineMemory memory = MachineMemory.reserve(4 << 20, MachineMemory.HugePages.ASKED_FOR)) {
      assertFalse(none);
      assertEquals(1024, memory.frames());
    } catch (MachineMemoryException refused) {
      assertTrue(none || !Files.exists(policy), refused.getMessage());
      assertTrue(refused.getMessage().contains("shmem_enabled"), refused.getMessage());
      assertTrue(refused.getMessage().contains("--hugepages"), refused.getMessage());
    }
  }

  private static boolean pointsAtMemory(int fd) {
    try {
      return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd))
          .toString()
          .contains("domus-machine-memory");
    } catch (IOException e) {
      return false;
    }
  }

  private static long residentBytes() throws IOException {
    return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * 4096;
  }
}

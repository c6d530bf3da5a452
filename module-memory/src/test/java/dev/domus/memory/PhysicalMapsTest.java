package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class PhysicalMapsTest {
  @Test
  void theM2PLivesInFramesOfTheHypervisors() {
    try (MachineMemory memory = MachineMemory.reserve(1000 << 12);
        FrameTable frames = new FrameTable(1000)) {
      MachineToPhys m2p = new MachineToPhys(memory, frames, 3);
      assertEquals(5, m2p.endFrame());
      assertEquals(FrameTable.HYPERVISOR, frames.owner(3));
      assertEquals(FrameTable.HYPERVISOR, frames.owner(4));
      for (long mfn = 0; mfn < 1000; mfn++) {
        assertEquals(MachineToPhys.INVALID, m2p.pfn(mfn));
      }
      m2p.set(999, 0x123456789L);
      assertEquals(0x123456789L, m2p.pfn(999));
      assertEquals(
          0x123456789L,
          memory.segment().get(ValueLayout.JAVA_LONG, (3 << 12) + 999 * 8),
          "where guests read it");
      m2p.clear(999);
      assertEquals(MachineToPhys.INVALID, m2p.pfn(999));
      assertThrows(IndexOutOfBoundsException.class, () -> m2p.set(1024, 0));
      FrameAllocator allocator = new FrameAllocator(memory, frames, m2p.endFrame());
      assertEquals(995, allocator.freeFrames());
    }
  }

  @Test
  void theP2MGrowsUpToItsLimit() {
    PhysToMachine p2m = new PhysToMachine(100_000);
    for (long pfn : new long[] {0, 1, 4095, 4096, 99_999}) {
      assertEquals(PhysToMachine.NONE, p2m.mfn(pfn));
      assertTrue(p2m.set(pfn, pfn + 7));
      assertEquals(pfn + 7, p2m.mfn(pfn));
    }
    for (long pfn : new long[] {100_000, -1, 1L << 32, Long.MIN_VALUE}) {
      assertFalse(p2m.set(pfn, 1));
      assertEquals(PhysToMachine.NONE, p2m.mfn(pfn));
    }
    p2m.clear(4096);
    assertEquals(PhysToMachine.NONE, p2m.mfn(4096));
    assertEquals(4095 + 7, p2m.mfn(4095));
  }
}

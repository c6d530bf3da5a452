package dev.domus.kernel.time;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.PcpuClock;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class ClockTest {
  private final Clock clock = new Clock(PcpuClock.REAL, Instant.now());

  /** The formula is the ABI's (xen-pv-abi.md, 11.4), with its 96-bit intermediate. */
  @Test
  void theGuestsFormulaTurnsTheCounterIntoSystemTime() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(SharedInfoLayout.TIME_INFO_SIZE, 8);
      clock.writeTimeInfo(info, 0);
      int version = info.get(ValueLayout.JAVA_INT, SharedInfoLayout.TIME_VERSION);
      assertEquals(0, version & 1);
      int shift = info.get(ValueLayout.JAVA_BYTE, SharedInfoLayout.TSC_SHIFT);
      long mul = info.get(ValueLayout.JAVA_INT, SharedInfoLayout.TSC_TO_SYSTEM_MUL) & 0xFFFF_FFFFL;
      long stamp = info.get(ValueLayout.JAVA_LONG, SharedInfoLayout.TSC_TIMESTAMP);
      long base = info.get(ValueLayout.JAVA_LONG, SharedInfoLayout.SYSTEM_TIME);
      assertTrue(mul >>> 31 == 1, "the multiplier is normalised");
      for (long tsc : new long[] {0, 1, 999_999_999, 1L << 40, 1L << 55}) {
        long delta = tsc - stamp << shift;
        long scaled = Math.unsignedMultiplyHigh(delta, mul << 32);
        assertEquals(tsc, base + scaled);
      }
    }
  }

  @Test
  void theWallClockPlusSystemTimeIsTheDate() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment page = arena.allocate(4096, 8);
      clock.writeWallClock(page, 0);
      long seconds =
          page.get(ValueLayout.JAVA_INT, SharedInfoLayout.WC_SEC) & 0xFFFF_FFFFL
              | (long) page.get(ValueLayout.JAVA_INT, SharedInfoLayout.WC_SEC_HI) << 32;
      int nanos = page.get(ValueLayout.JAVA_INT, SharedInfoLayout.WC_NSEC);
      assertEquals(0, page.get(ValueLayout.JAVA_INT, SharedInfoLayout.WC_VERSION) & 1);
      Instant computed = Instant.ofEpochSecond(seconds, nanos).plusNanos(clock.systemNanos());
      long off = Math.abs(computed.toEpochMilli() - System.currentTimeMillis());
      assertTrue(off < 5000, "off by " + off + " ms");
    }
  }
}

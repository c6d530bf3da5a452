package dev.domus.kernel.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.domus.kernel.service.IoClaim;
import dev.domus.kernel.service.IoHandler;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Ranges, against a bit set; claims, and the way of accesses to them. */
class IoSpaceTest {
  private final List<String> log = new ArrayList<>();

  private IoHandler device(String name, long value) {
    return new IoHandler() {
      @Override
      public long load(long offset, int size) {
        log.add("%s load %x %d".formatted(name, offset, size));
        return value;
      }

      @Override
      public void store(long offset, int size, long stored) {
        log.add("%s store %x %d %x".formatted(name, offset, size, stored));
      }
    };
  }

  @Test
  void rangesAreWhatABitSetSays() {
    Random random = new Random(1);
    RangeSet set = RangeSet.EMPTY;
    BitSet model = new BitSet();
    for (int step = 0; step < 20_000; step++) {
      int first = random.nextInt(64);
      int count = 1 + random.nextInt(12);
      boolean in = random.nextBoolean();
      set = in ? set.with(first, count) : set.without(first, count);
      model.set(first, first + count, in);
      int asked = random.nextInt(70);
      int length = 1 + random.nextInt(8);
      boolean all = model.nextClearBit(asked) >= asked + length;
      assertEquals(all, set.containsAll(asked, length), set::toString);
      assertEquals(model.isEmpty(), set.isEmpty());
    }
  }

  @Test
  void claimsAreDisjointAndAccessesFindTheirs() {
    IoSpace space = new IoSpace(12, 16, 1 << 20);
    IoClaim low = space.claim(20, 2, device("low", 0x1122334455667788L));
    assertNotNull(space.claim(30, 1, device("high", 1)));
    assertNotNull(space.claim(22, 1, device("next", 2)));
    assertNull(space.claim(21, 1, device("inside", 0)));
    assertNull(space.claim(19, 2, device("before", 0)));
    assertNull(space.claim(16, 100, device("around", 0)));
    assertNull(space.claim(22, 8, device("same start", 0)));
    assertEquals(0x1122334455667788L, space.load((21 << 12) + 8, 8));
    assertEquals(0x88, space.load(20 << 12, 1));
    assertEquals(2, space.load(22 << 12, 4));
    assertEquals(0xFFFF, space.load(23 << 12, 2));
    space.store((30 << 12) + 4, 4, -1);
    assertEquals(
        List.of("low load 1008 8", "low load 0 1", "next load 0 4", "high store 4 4 ffffffff"),
        log);
    low.close();
    low.close();
    assertEquals(-1, space.load(20 << 12, 8));
    assertEquals(1, space.load(30 << 12, 8));
    assertNotNull(space.claim(20, 2, device("again", 0)));
  }

  @Test
  void unalignedAccessesArriveByteByByte() {
    IoSpace space = new IoSpace(12, 0, 16);
    space.claim(1, 1, device("d", 0xAB));
    assertEquals(0xABAB, space.load(0x1FFD, 2) & 0xFFFF);
    space.store(0x1001, 2, 0x1234);
    assertEquals(List.of("d load ffd 1", "d load ffe 1", "d store 1 1 34", "d store 2 1 12"), log);
  }
}

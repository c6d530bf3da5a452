package dev.domus.memory.paging;

import static dev.domus.memory.paging.PageWalk.FETCH;
import static dev.domus.memory.paging.PageWalk.PRESENT;
import static dev.domus.memory.paging.PageWalk.RESERVED;
import static dev.domus.memory.paging.PageWalk.USER;
import static dev.domus.memory.paging.PageWalk.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class PageWalkTest {
  private static final int FRAMES = 16;
  private static final long CR3 = 4L << 12;
  private static final long VA = 0xFFFF_8880_1234_5678L;
  private static final long ALL = Pte.P | Pte.W | Pte.U;

  private final MemorySegment memory = Arena.ofAuto().allocate(FRAMES << 12, 4096);

  /** Level n's table is frame n, the page is frame 9. */
  @BeforeEach
  void map() {
    for (int level = 4; level >= 1; level--) {
      set(level, Pte.of(level == 1 ? 9 : level - 1, ALL));
    }
  }

  private long place(int level) {
    return ((long) level << 12) + 8L * Pte.index(VA, level);
  }

  private long entry(int level) {
    return memory.get(ValueLayout.JAVA_LONG, place(level));
  }

  private void set(int level, long entry) {
    memory.set(ValueLayout.JAVA_LONG, place(level), entry);
  }

  private long walk(int access) {
    return PageWalk.walk(memory, CR3, VA, access);
  }

  private void assertFault(int code, int access) {
    long fault = walk(access);
    assertTrue(fault < 0, () -> "no fault: " + Long.toHexString(fault));
    assertEquals(code, PageWalk.errorCode(fault));
    for (int level = 1; level <= 4; level++) {
      assertEquals(0, entry(level) & (Pte.A | Pte.D), "a fault leaves no trace");
    }
  }

  @Test
  void aReadTranslatesAndSetsAccessed() {
    long translation = walk(USER);
    assertEquals(9L << 12 | PageWalk.MAY_WRITE, translation);
    assertEquals(9L << 12, PageWalk.frameAddress(translation));
    for (int level = 1; level <= 4; level++) {
      assertEquals(Pte.A, entry(level) & (Pte.A | Pte.D));
    }
  }

  @Test
  void aWriteSetsDirtyInTheLeafAlone() {
    assertEquals(9L << 12 | PageWalk.MAY_WRITE | PageWalk.DIRTY, walk(USER | WRITE));
    assertEquals(Pte.A | Pte.D, entry(1) & (Pte.A | Pte.D));
    for (int level = 2; level <= 4; level++) {
      assertEquals(Pte.A, entry(level) & (Pte.A | Pte.D));
    }
    assertEquals(
        9L << 12 | PageWalk.MAY_WRITE | PageWalk.DIRTY, walk(USER), "later reads may say so");
  }

  static IntStream levels() {
    return IntStream.rangeClosed(1, 4);
  }

  @ParameterizedTest
  @MethodSource("levels")
  void notPresentAtAnyLevel(int level) {
    set(level, entry(level) & ~Pte.P);
    assertFault(0, 0);
    assertFault(USER, USER);
    assertFault(USER | WRITE, USER | WRITE);
    assertFault(USER | FETCH, USER | FETCH);
  }

  @ParameterizedTest
  @MethodSource("levels")
  void readOnlyAtAnyLevel(int level) {
    set(level, entry(level) & ~Pte.W);
    assertFault(PRESENT | USER | WRITE, USER | WRITE);
    assertFault(PRESENT | WRITE, WRITE);
    assertEquals(9L << 12, walk(USER));
  }

  @ParameterizedTest
  @MethodSource("levels")
  void supervisorAtAnyLevel(int level) {
    set(level, entry(level) & ~Pte.U);
    assertFault(PRESENT | USER, USER);
    assertEquals(9L << 12 | PageWalk.MAY_WRITE, walk(0), "the hypervisor's own accesses pass");
  }

  @ParameterizedTest
  @MethodSource("levels")
  void noExecuteAtAnyLevel(int level) {
    set(level, entry(level) | Pte.NX);
    assertFault(PRESENT | USER | FETCH, USER | FETCH);
    assertEquals(9L << 12 | PageWalk.MAY_WRITE | PageWalk.NO_EXECUTE, walk(USER));
  }

  @ParameterizedTest
  @MethodSource("levels")
  void framesThatDoNotExistAreReservedBits(int level) {
    set(level, Pte.of(FRAMES, ALL));
    assertFault(PRESENT | RESERVED | USER, USER);
    set(level, Pte.of(0xFF_FFFF_FFFFL, ALL));
    assertFault(PRESENT | RESERVED | USER, USER);
  }

  @Test
  void aLeafBeyondTheMachineIsAnAnswerForWhoAsksForDevices() {
    set(1, Pte.of(FRAMES, ALL));
    int access = USER | WRITE | PageWalk.DEVICE;
    assertEquals((long) FRAMES << 12 | PageWalk.MAY_WRITE | PageWalk.DIRTY, walk(access));
    set(2, Pte.of(FRAMES, ALL));
    assertEquals(PRESENT | RESERVED | USER | WRITE, PageWalk.errorCode(walk(access)));
  }

  @ParameterizedTest
  @MethodSource("levels")
  void superpagesAreReservedBitsAndPatIsNot(int level) {
    set(level, entry(level) | Pte.PS);
    if (level == 1) {
      assertEquals(9L << 12 | PageWalk.MAY_WRITE, walk(USER));
    } else {
      assertFault(PRESENT | RESERVED | USER, USER);
    }
  }

  @Test
  void aBaseOutsideTheMachineFaults() {
    long fault = PageWalk.walk(memory, (long) FRAMES << 12, VA, USER);
    assertEquals(PRESENT | RESERVED | USER, PageWalk.errorCode(fault));
  }

  @Test
  void theLowBitsOfCr3AreNoAddress() {
    assertEquals(walk(USER), PageWalk.walk(memory, CR3 | 0xFFF, VA, USER));
  }

  @Test
  void updatesByOthersAreNotLost() throws InterruptedException {
    Thread other =
        new Thread(() -> {
          for (int i = 0; i < 100_000; i++) {
            set(1, Pte.of(9, ALL | (i & 1) * Pte.AVAIL));
            long seen = entry(1);
            assertEquals(Pte.of(9, ALL | (i & 1) * Pte.AVAIL), seen & ~(Pte.A | Pte.D));
          }
        });
    Throwable[] failure = new Throwable[1];
    other.setUncaughtExceptionHandler((thread, e) -> failure[0] = e);
    other.start();
    while (other.isAlive()) {
      assertTrue(walk(USER | WRITE) > 0);
    }
    other.join();
    assertEquals(null, failure[0]);
  }
}

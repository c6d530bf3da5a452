package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class WindowTest {
  private final MachineMemory memory = MachineMemory.reserve(64 << 12);
  private final CodeFrames codeFrames = new CodeFrames(64);
  private final AtomicInteger released = new AtomicInteger();

  @AfterEach
  void close() {
    memory.close();
  }

  private Window window(boolean writable, long... mfns) {
    return Window.of(memory.segment(), codeFrames, writable, released::incrementAndGet, mfns);
  }

  @Test
  void scatteredFramesAreOneRange() {
    Window window = window(true, 9, 3, 7);
    byte[] model = new byte[3 * 4096];
    Random random = new Random(1);
    for (int step = 0; step < 20_000; step++) {
      int bytes = 1 << random.nextInt(4);
      int near = 4096 * (1 + random.nextInt(2)) - 8 + random.nextInt(16);
      int offset = random.nextBoolean() ? near : random.nextInt(model.length - 8);
      long value = random.nextLong();
      switch (bytes) {
        case 1 -> window.putByte(offset, (byte) value);
        case 2 -> window.putShort(offset, (short) value);
        case 4 -> window.putInt(offset, (int) value);
        default -> window.putLong(offset, value);
      }
      for (int i = 0; i < bytes; i++) {
        model[offset + i] = (byte) (value >>> 8 * i);
      }
      long read =
          switch (bytes) {
            case 1 -> window.getByte(offset);
            case 2 -> window.getShort(offset);
            case 4 -> window.getInt(offset);
            default -> window.getLong(offset);
          };
      assertEquals(value << 64 - 8 * bytes, read << 64 - 8 * bytes);
    }
    byte[] all = new byte[model.length];
    window.read(0, all, 0, all.length);
    assertArrayEquals(model, all);
    assertEquals(model[4096], memory.segment().get(ValueLayout.JAVA_BYTE, 3 << 12));
  }

  @Test
  void bulkCopiesCrossFrames() {
    Window window =
        new Window(memory.segment(), codeFrames, new long[] {5, 2}, 100, 8000, true, () -> {});
    byte[] data = new byte[8000];
    new Random(2).nextBytes(data);
    window.write(0, data, 0, 8000);
    byte[] back = new byte[8000];
    window.read(0, back, 0, 8000);
    assertArrayEquals(data, back);
    assertEquals(data[0], memory.segment().get(ValueLayout.JAVA_BYTE, (5 << 12) + 100));
    window.fill(3990, 20, (byte) 7);
    assertEquals(7, window.getByte(4009));
    assertEquals(data[4010], window.getByte(4010));
  }

  @Test
  void nothingOutsideIsReachable() {
    Window window =
        new Window(memory.segment(), codeFrames, new long[] {5}, 4000, 96, true, () -> {});
    for (long offset : new long[] {-1, 89, 96, Long.MAX_VALUE, Long.MIN_VALUE}) {
      assertThrows(IndexOutOfBoundsException.class, () -> window.getLong(offset));
      assertThrows(IndexOutOfBoundsException.class, () -> window.putLong(offset, 0));
      assertThrows(IndexOutOfBoundsException.class, () -> window.fill(offset, 8, (byte) 0));
    }
    assertThrows(IndexOutOfBoundsException.class, () -> window.read(0, new byte[200], 0, 97));
    assertThrows(IndexOutOfBoundsException.class, () -> window.read(0, new byte[10], 0, 20));
    assertThrows(IndexOutOfBoundsException.class, () -> window(true, 64));
    assertThrows(IndexOutOfBoundsException.class, () -> window(true, 1L << 52));
  }

  @Test
  void aReadOnlyWindowCannotBeWritten() {
    Window window = window(false, 5);
    Executable[] stores = {
      () -> window.putByte(0, (byte) 1),
      () -> window.putLong(0, 1),
      () -> window.putIntRelease(0, 1),
      () -> window.compareAndSetLong(0, 0, 1),
      () -> window.write(0, new byte[1], 0, 1),
      () -> window.fill(0, 1, (byte) 1)
    };
    for (Executable store : stores) {
      assertThrows(UnsupportedOperationException.class, store);
    }
    assertEquals(0, window.getLong(0));
  }

  @Test
  void afterRevocationEveryAccessThrows() {
    Window window = window(true, 5);
    window.revoke();
    Executable[] accesses = {
      () -> window.getByte(0),
      () -> window.getShort(0),
      () -> window.getInt(0),
      () -> window.getLong(0),
      () -> window.getIntAcquire(0),
      () -> window.getLongAcquire(0),
      () -> window.putByte(0, (byte) 1),
      () -> window.putShort(0, (short) 1),
      () -> window.putInt(0, 1),
      () -> window.putLong(0, 1),
      () -> window.putIntRelease(0, 1),
      () -> window.putLongRelease(0, 1),
      () -> window.compareAndSetInt(0, 0, 1),
      () -> window.compareAndSetLong(0, 0, 1),
      () -> window.read(0, new byte[1], 0, 1),
      () -> window.write(0, new byte[1], 0, 1),
      () -> window.fill(0, 1, (byte) 1),
      window::share
    };
    for (Executable access : accesses) {
      assertThrows(WindowRevokedException.class, access);
    }
    assertEquals(0, memory.segment().get(ValueLayout.JAVA_LONG, 5 << 12));
    assertEquals(0, released.get(), "the frames stay until the user is out");
    assertFalse(window.awaitReleased(1_000_000));
    window.close();
    assertTrue(window.awaitReleased(0));
    assertEquals(1, released.get());
  }

  @Test
  void theLastUserReleasesOnce() throws Exception {
    Window window = window(true, 5);
    Thread[] users = new Thread[8];
    for (int i = 0; i < users.length; i++) {
      Window mine = window.share();
      users[i] =
          new Thread(() -> {
            for (int n = 0; n < 1000; n++) {
              mine.getLong(8);
            }
            mine.close();
          });
      users[i].start();
    }
    window.close();
    assertTrue(window.awaitReleased(10_000_000_000L));
    for (Thread user : users) {
      user.join();
    }
    window.close();
    assertEquals(1, released.get());
    assertThrows(WindowRevokedException.class, () -> window.getByte(0));
  }

  @Test
  void storesAreReportedToEngines() {
    Window window = window(true, 5, 6);
    Runnable[] stores = {
      () -> window.putInt(0, 1),
      () -> window.putLongRelease(8, 1),
      () -> window.compareAndSetInt(0, 1, 2),
      () -> window.write(0, new byte[8192], 0, 8192),
      () -> window.fill(0, 8192, (byte) 1)
    };
    for (Runnable store : stores) {
      int version = codeFrames.watch(5);
      store.run();
      assertNotEquals(version, codeFrames.version(5));
    }
    int version = codeFrames.watch(6);
    window.putLong(4092, -1);
    assertNotEquals(version, codeFrames.version(6));
  }

  @Test
  void comparesAndSets() {
    Window window = window(true, 5);
    assertTrue(window.compareAndSetLong(8, 0, 5));
    assertFalse(window.compareAndSetLong(8, 0, 6));
    assertEquals(5, window.getLongAcquire(8));
  }

  /**
   * A frame changes hands when its window is released; no store that was under way may come after
   * that.
   */
  @Test
  void noStoreComesAfterTheRelease() throws Exception {
    MemorySegment segment = memory.segment();
    for (int round = 0; round < 300; round++) {
      CountDownLatch nextOwner = new CountDownLatch(1);
      Window window =
          Window.of(
              segment,
              codeFrames,
              true,
              () -> {
                segment.set(ValueLayout.JAVA_LONG, 5 << 12, -7);
                nextOwner.countDown();
              },
              5);
      Thread[] users = new Thread[2];
      for (int i = 0; i < users.length; i++) {
        users[i] = new Thread(() -> storeUntilRevoked(window));
        users[i].start();
      }
      window.putLong(0, 1);
      window.revoke();
      window.close();
      for (Thread user : users) {
        user.join();
      }
      nextOwner.await();
      assertTrue(window.awaitReleased(1_000_000_000));
      assertEquals(-7, segment.get(ValueLayout.JAVA_LONG, 5 << 12), "round " + round);
    }
  }

  /** The same for short lives of one slot, with late users that still hold the handles before. */
  @Test
  void noStoreComesAfterTheReleaseOfOneOfManyShortLives() throws Exception {
    MemorySegment segment = memory.segment();
    AtomicReference<Window> latest = new AtomicReference<>(window(true, 9));
    AtomicBoolean stop = new AtomicBoolean();
    AtomicLong stores = new AtomicLong();
    Thread[] guests = new Thread[2];
    for (int i = 0; i < guests.length; i++) {
      guests[i] =
          new Thread(() -> {
            Window held = latest.get();
            for (long n = 1; !stop.get(); n++) {
              try {
                held.putLong(8, n);
                stores.incrementAndGet();
              } catch (WindowRevokedException late) {
                held = latest.get();
              }
            }
          });
      guests[i].start();
    }
    for (int round = 0; round < 50_000; round++) {
      Window window =
          Window.of(
              segment,
              codeFrames,
              true,
              () -> segment.set(ValueLayout.JAVA_LONG, (5 << 12) + 8, -7),
              5);
      latest.set(window);
      window.putLong(8, round);
      window.close();
      if (!window.awaitReleased(0)) { // a guest is in an access
        assertTrue(window.awaitReleased(10_000_000_000L));
      }
      assertThrowsRevoked(window);
      assertEquals(-7, segment.get(ValueLayout.JAVA_LONG, (5 << 12) + 8), "round " + round);
    }
    stop.set(true);
    for (Thread guest : guests) {
      guest.join();
    }
    assertEquals(-7, segment.get(ValueLayout.JAVA_LONG, (5 << 12) + 8));
    assertNotEquals(0, stores.get(), "no guest ever got in");
  }

  private static void assertThrowsRevoked(Window window) {
    try {
      window.putLong(8, 1);
    } catch (WindowRevokedException expected) {
      return;
    }
    throw new AssertionError("a store went through a closed window");
  }

  /**
   * The opener, whose accesses are the cheapest, is the one who comes too late. It keeps its store
   * buffer full of misses, so that what it announces is seen by others long after it has gone on.
   */
  @Test
  void noStoreOfTheOpenerComesAfterOthersHaveEndedTheWindow() throws Exception {
    MemorySegment segment = memory.segment();
    AtomicReference<Window> opened = new AtomicReference<>();
    AtomicBoolean looked = new AtomicBoolean();
    AtomicBoolean stop = new AtomicBoolean();
    long[] misses = new long[1 << 21];
    Thread opener =
        new Thread(() -> {
          Random random = new Random(4);
          while (!stop.get()) {
            Window window =
                Window.of(
                    segment,
                    codeFrames,
                    true,
                    () -> segment.set(ValueLayout.JAVA_LONG, 5 << 12, -7),
                    5);
            opened.set(window);
            try {
              for (int n = 0; !stop.get(); n++) {
                for (int i = 0; i < 8; i++) {
                  misses[random.nextInt(misses.length)] = n;
                }
                window.putLong(0, n);
              }
            } catch (WindowRevokedException expected) {
              opened.set(null); // after which every store of this thread has been seen
            }
            while (!stop.get() && !looked.compareAndSet(true, false)) {
              Thread.onSpinWait();
            }
          }
        });
    opener.start();
    Random random = new Random(5);
    for (int round = 0; round < 2000; round++) {
      Window window;
      while ((window = opened.get()) == null) {
        Thread.onSpinWait();
      }
      for (int spins = random.nextInt(200); spins > 0; spins--) {
        Thread.onSpinWait();
      }
      if ((round & 1) == 0) {
        window.revoke();
      }
      window.close();
      assertTrue(window.awaitReleased(10_000_000_000L));
      while (opened.get() != null) {
        Thread.onSpinWait();
      }
      assertEquals(-7, segment.get(ValueLayout.JAVA_LONG, 5 << 12), "round " + round);
      looked.set(true);
    }
    stop.set(true);
    opener.join();
  }

  private static void storeUntilRevoked(Window window) {
    try {
      for (long n = 0; ; n++) {
        window.putLong(0, n);
      }
    } catch (WindowRevokedException expected) {
      // the end of the loop
    }
  }

  /** Whoever is last to close a shared window has nobody in it when the callback runs. */
  @Test
  void usersInManyThreadsReleaseOnceAndLast() throws Exception {
    for (int round = 0; round < 2000; round++) {
      AtomicInteger inside = new AtomicInteger();
      AtomicInteger insideAtRelease = new AtomicInteger(-1);
      AtomicInteger releases = new AtomicInteger();
      Window window =
          Window.of(
              memory.segment(),
              codeFrames,
              true,
              () -> {
                insideAtRelease.set(inside.get());
                releases.incrementAndGet();
              },
              5,
              7);
      inside.set(3);
      window.share();
      Window mine = window.share();
      Thread[] users = new Thread[2];
      for (int i = 0; i < users.length; i++) {
        int offset = 4096 * i;
        users[i] =
            new Thread(() -> {
              mine.fill(offset, 4096, (byte) 1);
              inside.decrementAndGet();
              mine.close();
            });
        users[i].start();
      }
      inside.decrementAndGet();
      window.close();
      for (Thread user : users) {
        user.join();
      }
      assertTrue(window.awaitReleased(10_000_000_000L));
      assertEquals(0, insideAtRelease.get());
      assertEquals(1, releases.get());
    }
  }

  @Test
  void aHandleOfAnEarlierLifeReachesNothingOfTheNext() {
    Window old = window(true, 5);
    old.close();
    Window next = window(true, 6);
    assertThrows(WindowRevokedException.class, () -> old.putLong(0, 1));
    assertThrows(WindowRevokedException.class, old::share);
    old.revoke();
    old.close();
    assertTrue(old.awaitReleased(0));
    assertFalse(old.alive());
    assertTrue(next.alive());
    next.putLong(0, 2);
    assertEquals(0, memory.segment().get(ValueLayout.JAVA_LONG, 5 << 12));
    assertEquals(2, memory.segment().get(ValueLayout.JAVA_LONG, 6 << 12));
    assertFalse(next.awaitReleased(0));
    next.close();
    assertEquals(2, released.get());
  }

  /**
   * After its last generation a slot is not used again, so no handle ever matches a second life.
   */
  @Test
  void generationsAreNotUsedTwice() throws Exception {
    Accessor mine = Accessor.mine();
    WindowSlot slot = new WindowSlot();
    VarHandle word =
        MethodHandles.privateLookupIn(WindowSlot.class, MethodHandles.lookup())
            .findVarHandle(WindowSlot.class, "word", long.class);
    word.set(slot, -2L << 32);
    assertEquals(-2, slot.begin(mine, released::incrementAndGet));
    assertTrue(slot.isAlive(-2));
    slot.close(-2);
    assertTrue(slot.isOver(-2));
    assertEquals(1, released.get());
    for (int i = 0; i < 2 * Accessor.MAX_FREE; i++) {
      assertNotSame(slot, mine.takeFree());
    }
  }

  @Test
  void framesInARowAreOnePiece() {
    Window window = window(true, 20, 21, 22);
    byte[] data = new byte[3 * 4096];
    new Random(3).nextBytes(data);
    window.write(0, data, 0, data.length);
    assertEquals(
        -1, memory.segment().asSlice(20 << 12, data.length).mismatch(MemorySegment.ofArray(data)));
    window.putLong(4092, 0x1122_3344_5566_7788L);
    assertEquals(0x1122_3344, window.getInt(4096));
    assertEquals(
        0x5566_7788, memory.segment().get(ValueLayout.JAVA_INT_UNALIGNED, (20 << 12) + 4092));
    assertThrows(IndexOutOfBoundsException.class, () -> window.getByte(3 * 4096));
    for (int mfn = 20; mfn < 23; mfn++) {
      int version = codeFrames.watch(mfn);
      window.fill(1, 3 * 4096 - 2, (byte) 9);
      assertNotEquals(version, codeFrames.version(mfn), "mfn " + mfn);
    }
  }
}

package dev.domus.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
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
        users[i] =
            new Thread(() -> {
              try {
                for (long n = 0; ; n++) {
                  window.putLong(0, n);
                }
              } catch (WindowRevokedException expected) {
                // the end of the loop
              }
            });
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
}

package dev.domus.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.concurrent.locks.LockSupport;

/**
 * A bounded, revocable view of one or more machine frames, as one range of offsets from 0.
 *
 * <p>Windows are how Java code other than kernel and engines reaches guest memory. They do not map
 * anything: they check an offset, translate it to a place in the one long-lived segment of all
 * machine memory, and check that they are still alive. That costs nanoseconds where an arena of its
 * own would cost 20 µs to close (platform-facts.md, FFM costs).
 *
 * <p><b>Life.</b> The maker (the kernel) has taken references on the frames. The window counts its
 * users: {@link #share} adds one, {@link #close} takes one away, and when the last is out the
 * release callback runs, once, and puts the references. {@link #revoke} makes every later access
 * throw {@link WindowRevokedException} but does not put references: an access that had passed its
 * check may still be storing, and must find the frame still there. So destroying a mapping is
 * <i>revoke, {@link #awaitReleased}</i>, and frames of a user that never closes stay referenced
 * rather than become somebody else's.
 *
 * <p><b>Orders.</b> Plain accessors promise nothing to other threads and may be unaligned or cross
 * a frame. Acquire, release and compare-and-set accessors work on naturally aligned offsets, which
 * never cross one. All are little-endian.
 *
 * <p><b>Code.</b> After each store the frame is reported to {@link CodeFrames}, so that no engine
 * goes on executing what was there before.
 *
 * <p>Thread-safe as memory itself is.
 */
public final class Window implements AutoCloseable {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle ALIGNED_INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle ALIGNED_LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

  private static final VarHandle USERS;

  static {
    try {
      USERS = MethodHandles.lookup().findVarHandle(Window.class, "users", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final int FRAME = MachineMemory.FRAME_BYTES;
  private static final int IN_FRAME = FRAME - 1;
  private static final int RELEASED = 0;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final long[] mfns;
  private final int firstByte;
  private final long size;
  private final boolean writable;
  private final Runnable release;
  private volatile boolean dead;
  private volatile int users = 1;

  /**
   * Makes a window over frames that the caller holds references on, with one user.
   *
   * @param memory all machine memory
   * @param codeFrames told about stores
   * @param mfns the frames, in the order of offsets; not copied, the caller gives it away
   * @param firstByte offset of the window's byte 0 in the first frame, 0 to 4095
   * @param size bytes
   * @param writable whether stores are allowed
   * @param release puts the caller's references; runs once, in whatever thread is the last user to
   *     close
   */
  public Window(
      MemorySegment memory,
      CodeFrames codeFrames,
      long[] mfns,
      int firstByte,
      long size,
      boolean writable,
      Runnable release) {
    long frames = memory.byteSize() >>> MachineMemory.FRAME_SHIFT;
    for (long mfn : mfns) {
      if (Long.compareUnsigned(mfn, frames) >= 0) {
        throw new IndexOutOfBoundsException("no such frame: mfn=" + mfn);
      }
    }
    if (firstByte < 0
        || firstByte >= FRAME
        || size < 0
        || size > (long) mfns.length * FRAME - firstByte) {
      throw new IllegalArgumentException(
          "window exceeds its frames: frames=%d firstByte=%d size=%d"
              .formatted(mfns.length, firstByte, size));
    }
    this.memory = memory;
    this.codeFrames = codeFrames;
    this.mfns = mfns;
    this.firstByte = firstByte;
    this.size = size;
    this.writable = writable;
    this.release = release;
  }

  /** Makes a window over the whole of frames that the caller holds references on. */
  public static Window of(
      MemorySegment memory,
      CodeFrames codeFrames,
      boolean writable,
      Runnable release,
      long... mfns) {
    return new Window(memory, codeFrames, mfns, 0, (long) mfns.length * FRAME, writable, release);
  }

  /** Size in bytes; offsets are below it. */
  public long size() {
    return size;
  }

  /** Says whether stores are allowed. */
  public boolean writable() {
    return writable;
  }

  /** Says whether accesses still work. */
  public boolean alive() {
    return !dead;
  }

  // ---- life ----

  /**
   * Adds a user, who has to close the window too.
   *
   * @return this
   * @throws WindowRevokedException if it is too late
   */
  public Window share() {
    while (true) {
      int count = users;
      if (count == RELEASED || dead) {
        throw new WindowRevokedException(size);
      }
      if (USERS.compareAndSet(this, count, Math.addExact(count, 1))) {
        return this;
      }
    }
  }

  /** Makes every later access throw. Waits for nobody; see {@link #awaitReleased}. */
  public void revoke() {
    dead = true;
  }

  /**
   * Waits until the last user is out and the release callback has been called.
   *
   * @param nanos how long at most
   * @return whether that happened
   */
  public boolean awaitReleased(long nanos) {
    long deadline = System.nanoTime() + nanos;
    while (users != RELEASED) {
      if (System.nanoTime() - deadline >= 0) {
        return false;
      }
      LockSupport.parkNanos(50_000); // rare, and nobody is in a hurry when a mapping is torn down
    }
    return true;
  }

  /**
   * Takes one user away. The last one ends the window; closing more often than that does nothing.
   */
  @Override
  public void close() {
    while (true) {
      int count = users;
      if (count == RELEASED) {
        return;
      }
      if (count == 1) {
        dead = true; // before the count says so: share() must not win a user back
      }
      if (USERS.compareAndSet(this, count, count - 1)) {
        if (count == 1) {
          release.run();
        }
        return;
      }
    }
  }

  // ---- plain access ----

  /** Reads a byte. */
  public byte getByte(long offset) {
    return memory.get(ValueLayout.JAVA_BYTE, readable(offset, 1));
  }

  /** Reads two bytes; any alignment. */
  public short getShort(long offset) {
    long at = readable(offset, 2);
    return crosses(at, 2)
        ? (short) (getByte(offset) & 0xFF | getByte(offset + 1) << 8)
        : memory.get(SHORT, at);
  }

  /** Reads four bytes; any alignment. */
  public int getInt(long offset) {
    long at = readable(offset, 4);
    return crosses(at, 4)
        ? getShort(offset) & 0xFFFF | getShort(offset + 2) << 16
        : memory.get(INT, at);
  }

  /** Reads eight bytes; any alignment. */
  public long getLong(long offset) {
    long at = readable(offset, 8);
    return crosses(at, 8)
        ? getInt(offset) & 0xFFFF_FFFFL | (long) getInt(offset + 4) << 32
        : memory.get(LONG, at);
  }

  /** Stores a byte. */
  public void putByte(long offset, byte value) {
    long at = storable(offset, 1);
    memory.set(ValueLayout.JAVA_BYTE, at, value);
    stored(at);
  }

  /** Stores two bytes; any alignment. */
  public void putShort(long offset, short value) {
    long at = storable(offset, 2);
    if (crosses(at, 2)) {
      putByte(offset, (byte) value);
      putByte(offset + 1, (byte) (value >>> 8));
    } else {
      memory.set(SHORT, at, value);
      stored(at);
    }
  }

  /** Stores four bytes; any alignment. */
  public void putInt(long offset, int value) {
    long at = storable(offset, 4);
    if (crosses(at, 4)) {
      putShort(offset, (short) value);
      putShort(offset + 2, (short) (value >>> 16));
    } else {
      memory.set(INT, at, value);
      stored(at);
    }
  }

  /** Stores eight bytes; any alignment. */
  public void putLong(long offset, long value) {
    long at = storable(offset, 8);
    if (crosses(at, 8)) {
      putInt(offset, (int) value);
      putInt(offset + 4, (int) (value >>> 32));
    } else {
      memory.set(LONG, at, value);
      stored(at);
    }
  }

  // ---- ordered access, aligned ----

  /** Reads four aligned bytes with acquire semantics. */
  public int getIntAcquire(long offset) {
    return (int) ALIGNED_INT.getAcquire(memory, readable(offset, 4));
  }

  /** Reads eight aligned bytes with acquire semantics. */
  public long getLongAcquire(long offset) {
    return (long) ALIGNED_LONG.getAcquire(memory, readable(offset, 8));
  }

  /** Stores four aligned bytes with release semantics. */
  public void putIntRelease(long offset, int value) {
    long at = storable(offset, 4);
    ALIGNED_INT.setRelease(memory, at, value);
    stored(at);
  }

  /** Stores eight aligned bytes with release semantics. */
  public void putLongRelease(long offset, long value) {
    long at = storable(offset, 8);
    ALIGNED_LONG.setRelease(memory, at, value);
    stored(at);
  }

  /** Compares and sets four aligned bytes with full fences. */
  public boolean compareAndSetInt(long offset, int expected, int value) {
    long at = storable(offset, 4);
    boolean done = ALIGNED_INT.compareAndSet(memory, at, expected, value);
    stored(at);
    return done;
  }

  /** Compares and sets eight aligned bytes with full fences. */
  public boolean compareAndSetLong(long offset, long expected, long value) {
    long at = storable(offset, 8);
    boolean done = ALIGNED_LONG.compareAndSet(memory, at, expected, value);
    stored(at);
    return done;
  }

  // ---- bulk ----

  /** Copies bytes out of the window. */
  public void read(long offset, byte[] target, int at, int length) {
    read(offset, MemorySegment.ofArray(target), at, length);
  }

  /** Copies bytes out of the window. The window is checked again for each frame. */
  public void read(long offset, MemorySegment target, long at, long length) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long from = readable(offset + done, 1);
      long part = Math.min(length - done, FRAME - (from & IN_FRAME));
      MemorySegment.copy(memory, from, target, at + done, part);
      done += part;
    }
  }

  /** Copies bytes into the window. */
  public void write(long offset, byte[] source, int at, int length) {
    write(offset, MemorySegment.ofArray(source), at, length);
  }

  /** Copies bytes into the window. The window is checked again for each frame. */
  public void write(long offset, MemorySegment source, long at, long length) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long to = storable(offset + done, 1);
      long part = Math.min(length - done, FRAME - (to & IN_FRAME));
      MemorySegment.copy(source, at + done, memory, to, part);
      stored(to);
      done += part;
    }
  }

  /** Sets a range of bytes to one value. */
  public void fill(long offset, long length, byte value) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long to = storable(offset + done, 1);
      long part = Math.min(length - done, FRAME - (to & IN_FRAME));
      memory.asSlice(to, part).fill(value);
      stored(to);
      done += part;
    }
  }

  // ---- the check that everything goes through ----

  private long readable(long offset, int bytes) {
    checkRange(offset, bytes);
    if (dead) {
      throw new WindowRevokedException(size);
    }
    long place = offset + firstByte;
    return (mfns[(int) (place >>> MachineMemory.FRAME_SHIFT)] << MachineMemory.FRAME_SHIFT)
        + (place & IN_FRAME);
  }

  private long storable(long offset, int bytes) {
    if (!writable) {
      throw new UnsupportedOperationException("this window is read-only: offset=" + offset);
    }
    return readable(offset, bytes);
  }

  private void checkRange(long offset, long length) {
    if ((offset | length) < 0 || offset > size - length) {
      throw new IndexOutOfBoundsException(
          "outside the window: offset=%d length=%d size=%d".formatted(offset, length, size));
    }
  }

  private static boolean crosses(long at, int bytes) {
    return (at & IN_FRAME) > FRAME - bytes;
  }

  private void stored(long at) {
    codeFrames.written(at >>> MachineMemory.FRAME_SHIFT);
  }
}

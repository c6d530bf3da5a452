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
 * users: {@link #share} adds one, {@link #close} takes one away. It also counts accesses under way.
 * When both counts are zero the release callback runs, once, and puts the references. {@link
 * #revoke} makes every later access throw {@link WindowRevokedException}; an access that had passed
 * its check may still be storing, and finds the frame still there. So destroying a mapping is
 * <i>revoke, {@link #awaitReleased}</i>, and frames of a user that never closes stay referenced
 * rather than become somebody else's.
 *
 * <pre>
 *   state   63           32 31           0
 *          +---------------+--------------+
 *          |     users     |   accesses   |    0 while dead: released
 *          +---------------+--------------+
 * </pre>
 *
 * <p>An access adds 1 to the state and then looks at {@code dead}; whoever ends a window sets
 * {@code dead} and then looks at the state. Both are volatile, so either the access sees that it is
 * too late or the ending sees the access. That costs an access two atomic additions, some 10 ns;
 * without them, closing a window in one thread while another uses it would let a store through to
 * the frame's next owner.
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

  private static final VarHandle STATE;
  private static final VarHandle RELEASED;

  static {
    try {
      STATE = MethodHandles.lookup().findVarHandle(Window.class, "state", long.class);
      RELEASED = MethodHandles.lookup().findVarHandle(Window.class, "released", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private static final int FRAME = MachineMemory.FRAME_BYTES;
  private static final int IN_FRAME = FRAME - 1;
  private static final long ONE_USER = 1L << 32;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final long[] mfns;
  private final int firstByte;
  private final long size;
  private final boolean writable;
  private final Runnable release;
  private volatile boolean dead;
  private volatile boolean released;
  private volatile boolean gone;
  private volatile long state = ONE_USER;

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
   * Adds a user, who has to close the window too. Called by one who is a user.
   *
   * @return this
   * @throws WindowRevokedException if it is too late
   */
  public Window share() {
    while (true) {
      long now = state;
      if (now < ONE_USER || dead) {
        throw new WindowRevokedException(size);
      }
      if (STATE.compareAndSet(this, now, Math.addExact(now, ONE_USER))) {
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
    while (!gone) {
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
      long now = state;
      if (now < ONE_USER) {
        return;
      }
      if (now < 2 * ONE_USER) {
        dead = true; // before the count says so
      }
      if (STATE.compareAndSet(this, now, now - ONE_USER)) {
        if (now == ONE_USER) {
          releaseOnce();
        }
        return;
      }
    }
  }

  private void enter() {
    long ignored = (long) STATE.getAndAdd(this, 1L);
    if (dead) {
      leave();
      throw new WindowRevokedException(size);
    }
  }

  private void leave() {
    if ((long) STATE.getAndAdd(this, -1L) == 1) { // nobody else under way, and no user left
      releaseOnce();
    }
  }

  private void releaseOnce() {
    if (RELEASED.compareAndSet(this, false, true)) {
      release.run();
      gone = true;
    }
  }

  // ---- plain access ----

  /** Reads a byte. */
  public byte getByte(long offset) {
    long at = readable(offset, 1);
    enter();
    try {
      return memory.get(ValueLayout.JAVA_BYTE, at);
    } finally {
      leave();
    }
  }

  /** Reads two bytes; any alignment. */
  public short getShort(long offset) {
    long at = readable(offset, 2);
    if (crosses(at, 2)) {
      return (short) (getByte(offset) & 0xFF | getByte(offset + 1) << 8);
    }
    enter();
    try {
      return memory.get(SHORT, at);
    } finally {
      leave();
    }
  }

  /** Reads four bytes; any alignment. */
  public int getInt(long offset) {
    long at = readable(offset, 4);
    if (crosses(at, 4)) {
      return getShort(offset) & 0xFFFF | getShort(offset + 2) << 16;
    }
    enter();
    try {
      return memory.get(INT, at);
    } finally {
      leave();
    }
  }

  /** Reads eight bytes; any alignment. */
  public long getLong(long offset) {
    long at = readable(offset, 8);
    if (crosses(at, 8)) {
      return getInt(offset) & 0xFFFF_FFFFL | (long) getInt(offset + 4) << 32;
    }
    enter();
    try {
      return memory.get(LONG, at);
    } finally {
      leave();
    }
  }

  /** Stores a byte. */
  public void putByte(long offset, byte value) {
    long at = storable(offset, 1);
    enter();
    try {
      memory.set(ValueLayout.JAVA_BYTE, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  /** Stores two bytes; any alignment. */
  public void putShort(long offset, short value) {
    long at = storable(offset, 2);
    if (crosses(at, 2)) {
      putByte(offset, (byte) value);
      putByte(offset + 1, (byte) (value >>> 8));
      return;
    }
    enter();
    try {
      memory.set(SHORT, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  /** Stores four bytes; any alignment. */
  public void putInt(long offset, int value) {
    long at = storable(offset, 4);
    if (crosses(at, 4)) {
      putShort(offset, (short) value);
      putShort(offset + 2, (short) (value >>> 16));
      return;
    }
    enter();
    try {
      memory.set(INT, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  /** Stores eight bytes; any alignment. */
  public void putLong(long offset, long value) {
    long at = storable(offset, 8);
    if (crosses(at, 8)) {
      putInt(offset, (int) value);
      putInt(offset + 4, (int) (value >>> 32));
      return;
    }
    enter();
    try {
      memory.set(LONG, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  // ---- ordered access, aligned ----

  /** Reads four aligned bytes with acquire semantics. */
  public int getIntAcquire(long offset) {
    long at = readable(offset, 4);
    enter();
    try {
      return (int) ALIGNED_INT.getAcquire(memory, at);
    } finally {
      leave();
    }
  }

  /** Reads eight aligned bytes with acquire semantics. */
  public long getLongAcquire(long offset) {
    long at = readable(offset, 8);
    enter();
    try {
      return (long) ALIGNED_LONG.getAcquire(memory, at);
    } finally {
      leave();
    }
  }

  /** Stores four aligned bytes with release semantics. */
  public void putIntRelease(long offset, int value) {
    long at = storable(offset, 4);
    enter();
    try {
      ALIGNED_INT.setRelease(memory, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  /** Stores eight aligned bytes with release semantics. */
  public void putLongRelease(long offset, long value) {
    long at = storable(offset, 8);
    enter();
    try {
      ALIGNED_LONG.setRelease(memory, at, value);
      stored(at);
    } finally {
      leave();
    }
  }

  /** Compares and sets four aligned bytes with full fences. */
  public boolean compareAndSetInt(long offset, int expected, int value) {
    long at = storable(offset, 4);
    enter();
    try {
      boolean done = ALIGNED_INT.compareAndSet(memory, at, expected, value);
      stored(at);
      return done;
    } finally {
      leave();
    }
  }

  /** Compares and sets eight aligned bytes with full fences. */
  public boolean compareAndSetLong(long offset, long expected, long value) {
    long at = storable(offset, 8);
    enter();
    try {
      boolean done = ALIGNED_LONG.compareAndSet(memory, at, expected, value);
      stored(at);
      return done;
    } finally {
      leave();
    }
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
      enter();
      try {
        MemorySegment.copy(memory, from, target, at + done, part);
      } finally {
        leave();
      }
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
      enter();
      try {
        MemorySegment.copy(source, at + done, memory, to, part);
        stored(to);
      } finally {
        leave();
      }
      done += part;
    }
  }

  /** Sets a range of bytes to one value. */
  public void fill(long offset, long length, byte value) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long to = storable(offset + done, 1);
      long part = Math.min(length - done, FRAME - (to & IN_FRAME));
      enter();
      try {
        memory.asSlice(to, part).fill(value);
        stored(to);
      } finally {
        leave();
      }
      done += part;
    }
  }

  // ---- the check that everything goes through ----

  private long readable(long offset, int bytes) {
    checkRange(offset, bytes);
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

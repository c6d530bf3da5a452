package dev.domus.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.concurrent.locks.LockSupport;

/**
 * A bounded, revocable view of one or more machine frames, as one range of offsets from 0.
 *
 * <p>Windows are how Java code other than kernel and engines reaches guest memory. They do not map
 * anything: they check an offset, translate it to a place in the one long-lived segment of all
 * machine memory, and check that they are still alive. That costs nanoseconds where an arena of its
 * own would cost 20 µs to close and a mapping of its own 10 µs (decision 0007). Frames that follow
 * each other are one piece; others are looked up an access.
 *
 * <p><b>Life.</b> The maker (the kernel) has taken references on the frames. The window counts its
 * users: {@link #share} adds one, {@link #close} takes one away. When the last user is out and no
 * thread is in an access the release callback runs, once, and puts the references. {@link #revoke}
 * makes every later access throw {@link WindowRevokedException}; an access that had passed its
 * check may still be storing, and finds the frame still there. So destroying a mapping is
 * <i>revoke, {@link #awaitReleased}</i>, and frames of a user that never closes stay referenced
 * rather than become somebody else's.
 *
 * <p><b>Cost.</b> This object never changes, so the JIT need not allocate it where it does not
 * escape; what changes is in a {@link WindowSlot}, used again and again, and told apart by a
 * generation. An access is some plain loads and stores on top of the memory's. It is cheapest in
 * the thread that opened the window, and so is closing: other threads cost an access some ns more
 * and the last close a {@link ProcessBarrier}, some 1 µs.
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

  private static final int FRAME = MachineMemory.FRAME_BYTES;
  private static final int IN_FRAME = FRAME - 1;

  /** A bulk copy looks again whether the window is alive after at most so many bytes. */
  private static final int BULK = 16 * FRAME;

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final WindowSlot slot;
  private final int generation;

  /** Machine address of offset 0, if all frames follow each other; else offset in the first one. */
  private final long base;

  /** The frames, or null if they follow each other. */
  private final long[] scattered;

  private final long size;
  private final boolean writable;

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
    if (firstByte < 0
        || firstByte >= FRAME
        || size < 0
        || size > (long) mfns.length * FRAME - firstByte) {
      throw new IllegalArgumentException(
          "window exceeds its frames: frames=%d firstByte=%d size=%d"
              .formatted(mfns.length, firstByte, size));
    }
    boolean contiguous = true;
    for (int i = 0; i < mfns.length; i++) {
      requireFrame(memory, mfns[i]);
      contiguous &= mfns[i] == mfns[0] + i;
    }
    boolean onePiece = contiguous && mfns.length > 0;
    this(
        memory,
        codeFrames,
        onePiece ? (mfns[0] << MachineMemory.FRAME_SHIFT) + firstByte : firstByte,
        onePiece ? null : mfns,
        size,
        writable,
        release);
  }

  private Window(
      MemorySegment memory,
      CodeFrames codeFrames,
      long base,
      long[] scatteredOrNull,
      long size,
      boolean writable,
      Runnable release) {
    this.memory = memory;
    this.codeFrames = codeFrames;
    this.base = base;
    this.scattered = scatteredOrNull;
    this.size = size;
    this.writable = writable;
    Accessor opener = Accessor.mine();
    slot = opener.takeFree();
    generation = slot.begin(opener, release);
  }

  private static void requireFrame(MemorySegment memory, long mfn) {
    if (Long.compareUnsigned(mfn, memory.byteSize() >>> MachineMemory.FRAME_SHIFT) >= 0) {
      throw new IndexOutOfBoundsException("no such frame: mfn=" + mfn);
    }
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

  /** Makes a window over the whole of a frame that the caller holds a reference on. */
  public static Window of(
      MemorySegment memory, CodeFrames codeFrames, boolean writable, Runnable release, long mfn) {
    requireFrame(memory, mfn);
    long base = mfn << MachineMemory.FRAME_SHIFT;
    return new Window(memory, codeFrames, base, null, FRAME, writable, release);
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
    return slot.isAlive(generation);
  }

  // ---- life ----

  /**
   * Adds a user, who has to close the window too. Called by one who is a user.
   *
   * @return this
   * @throws WindowRevokedException if it is too late
   */
  public Window share() {
    if (!slot.share(generation)) {
      throw new WindowRevokedException(size);
    }
    return this;
  }

  /** Makes every later access throw. Waits for nobody; see {@link #awaitReleased}. */
  public void revoke() {
    slot.revoke(generation);
  }

  /**
   * Waits until the last user is out and the release callback has been called.
   *
   * @param nanos how long at most
   * @return whether that happened
   */
  public boolean awaitReleased(long nanos) {
    long deadline = System.nanoTime() + nanos;
    while (!slot.isOver(generation)) {
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
    slot.close(generation);
  }

  private Accessor enter() {
    Accessor me = slot.enter(generation);
    if (me == null) {
      throw new WindowRevokedException(size);
    }
    return me;
  }

  private void leave(Accessor me) {
    slot.leave(generation, me);
  }

  // ---- plain access ----

  /** Reads a byte. */
  public byte getByte(long offset) {
    long at = readable(offset, 1);
    Accessor me = enter();
    try {
      return memory.get(ValueLayout.JAVA_BYTE, at);
    } finally {
      leave(me);
    }
  }

  /** Reads two bytes; any alignment. */
  public short getShort(long offset) {
    long at = readable(offset, 2);
    if (crosses(at, 2)) {
      return (short) (getByte(offset) & 0xFF | getByte(offset + 1) << 8);
    }
    Accessor me = enter();
    try {
      return memory.get(SHORT, at);
    } finally {
      leave(me);
    }
  }

  /** Reads four bytes; any alignment. */
  public int getInt(long offset) {
    long at = readable(offset, 4);
    if (crosses(at, 4)) {
      return getShort(offset) & 0xFFFF | getShort(offset + 2) << 16;
    }
    Accessor me = enter();
    try {
      return memory.get(INT, at);
    } finally {
      leave(me);
    }
  }

  /** Reads eight bytes; any alignment. */
  public long getLong(long offset) {
    long at = readable(offset, 8);
    if (crosses(at, 8)) {
      return getInt(offset) & 0xFFFF_FFFFL | (long) getInt(offset + 4) << 32;
    }
    Accessor me = enter();
    try {
      return memory.get(LONG, at);
    } finally {
      leave(me);
    }
  }

  /** Stores a byte. */
  public void putByte(long offset, byte value) {
    long at = storable(offset, 1);
    Accessor me = enter();
    try {
      memory.set(ValueLayout.JAVA_BYTE, at, value);
      stored(at);
    } finally {
      leave(me);
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
    Accessor me = enter();
    try {
      memory.set(SHORT, at, value);
      stored(at);
    } finally {
      leave(me);
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
    Accessor me = enter();
    try {
      memory.set(INT, at, value);
      stored(at);
    } finally {
      leave(me);
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
    Accessor me = enter();
    try {
      memory.set(LONG, at, value);
      stored(at);
    } finally {
      leave(me);
    }
  }

  // ---- ordered access, aligned ----

  /** Reads four aligned bytes with acquire semantics. */
  public int getIntAcquire(long offset) {
    long at = readable(offset, 4);
    Accessor me = enter();
    try {
      return (int) ALIGNED_INT.getAcquire(memory, at);
    } finally {
      leave(me);
    }
  }

  /** Reads eight aligned bytes with acquire semantics. */
  public long getLongAcquire(long offset) {
    long at = readable(offset, 8);
    Accessor me = enter();
    try {
      return (long) ALIGNED_LONG.getAcquire(memory, at);
    } finally {
      leave(me);
    }
  }

  /** Stores four aligned bytes with release semantics. */
  public void putIntRelease(long offset, int value) {
    long at = storable(offset, 4);
    Accessor me = enter();
    try {
      ALIGNED_INT.setRelease(memory, at, value);
      stored(at);
    } finally {
      leave(me);
    }
  }

  /** Stores eight aligned bytes with release semantics. */
  public void putLongRelease(long offset, long value) {
    long at = storable(offset, 8);
    Accessor me = enter();
    try {
      ALIGNED_LONG.setRelease(memory, at, value);
      stored(at);
    } finally {
      leave(me);
    }
  }

  /** Compares and sets four aligned bytes with full fences. */
  public boolean compareAndSetInt(long offset, int expected, int value) {
    long at = storable(offset, 4);
    Accessor me = enter();
    try {
      boolean done = ALIGNED_INT.compareAndSet(memory, at, expected, value);
      stored(at);
      return done;
    } finally {
      leave(me);
    }
  }

  /** Compares and sets eight aligned bytes with full fences. */
  public boolean compareAndSetLong(long offset, long expected, long value) {
    long at = storable(offset, 8);
    Accessor me = enter();
    try {
      boolean done = ALIGNED_LONG.compareAndSet(memory, at, expected, value);
      stored(at);
      return done;
    } finally {
      leave(me);
    }
  }

  // ---- bulk ----

  /** Copies bytes out of the window. */
  public void read(long offset, byte[] target, int at, int length) {
    read(offset, MemorySegment.ofArray(target), at, length);
  }

  /** Copies bytes out of the window. The window is checked again every few frames. */
  public void read(long offset, MemorySegment target, long at, long length) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long from = readable(offset + done, 1);
      long part = Math.min(length - done, piece(from));
      Accessor me = enter();
      try {
        MemorySegment.copy(memory, from, target, at + done, part);
      } finally {
        leave(me);
      }
      done += part;
    }
  }

  /** Copies bytes into the window. */
  public void write(long offset, byte[] source, int at, int length) {
    write(offset, MemorySegment.ofArray(source), at, length);
  }

  /** Copies bytes into the window. The window is checked again every few frames. */
  public void write(long offset, MemorySegment source, long at, long length) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long to = storable(offset + done, 1);
      long part = Math.min(length - done, piece(to));
      Accessor me = enter();
      try {
        MemorySegment.copy(source, at + done, memory, to, part);
        stored(to, part);
      } finally {
        leave(me);
      }
      done += part;
    }
  }

  /** Sets a range of bytes to one value. */
  public void fill(long offset, long length, byte value) {
    checkRange(offset, length);
    for (long done = 0; done < length; ) {
      long to = storable(offset + done, 1);
      long part = Math.min(length - done, piece(to));
      Accessor me = enter();
      try {
        memory.asSlice(to, part).fill(value);
        stored(to, part);
      } finally {
        leave(me);
      }
      done += part;
    }
  }

  // ---- the check that everything goes through ----

  private long readable(long offset, int bytes) {
    checkRange(offset, bytes);
    long place = base + offset;
    long[] mfns = scattered;
    return mfns == null
        ? place
        : (mfns[(int) (place >>> MachineMemory.FRAME_SHIFT)] << MachineMemory.FRAME_SHIFT)
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

  /** How many bytes from a place on are in one piece, as far as one copy goes. */
  private long piece(long at) {
    return (scattered == null ? BULK : FRAME) - (at & IN_FRAME);
  }

  private static boolean crosses(long at, int bytes) {
    return (at & IN_FRAME) > FRAME - bytes;
  }

  private void stored(long at) {
    codeFrames.written(at >>> MachineMemory.FRAME_SHIFT);
  }

  private void stored(long at, long bytes) {
    long last = at + bytes - 1 >>> MachineMemory.FRAME_SHIFT;
    for (long mfn = at >>> MachineMemory.FRAME_SHIFT; mfn <= last; mfn++) {
      codeFrames.written(mfn);
    }
  }
}

package dev.domus.iommu;

import dev.domus.memory.CodeFrames;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Objects;

/**
 * A device's way to memory, and its only one: it is bound to a requester id, and every access is
 * translated, checked for permission, and announced, so that it can be waited for.
 *
 * <p><b>Results.</b> An access answers {@link #OK}, or the code of the {@link FaultReason} that it
 * met, or {@link #REVOKED} or {@link #BLOCKED}. What the guest got wrong is never an exception, and
 * nothing is allocated. As on a bus, an access of several pages that meets a fault has moved the
 * pages before it. Faults are recorded by the unit, against the requester. Only what the device's
 * own code got wrong, a range outside its own buffer, is an {@link IndexOutOfBoundsException}.
 *
 * <p><b>Interrupts.</b> A write of four bytes to 0xFEEx_xxxx is a message, remapped and delivered;
 * anything else in that range is a fault.
 *
 * <p><b>Orders.</b> {@link #storeInt} and {@link #storeLong} are atomic and come after all that was
 * written before; {@link #loadInt} and {@link #loadLong} likewise before all that is read after.
 * They are for aligned addresses. Others are copies, in any order. All is little-endian.
 *
 * <p><b>End.</b> {@link #revoke} waits for accesses under way and makes all later ones answer
 * {@link #REVOKED}; {@link #block} does so for a time. An access that spans several blocks of 64
 * KiB may be stopped between two.
 *
 * <p>Thread-safe: a device may use its port from several threads, up to {@link Announcements#SLOTS}
 * at once.
 */
public final class DmaPort {
  /** Result: done. */
  public static final int OK = 0;

  /** Result: the port was revoked; it never works again. */
  public static final int REVOKED = -1;

  /** Result: the device may not start accesses for now (its bus master bit is off, say). */
  public static final int BLOCKED = -2;

  private static final int GET = 0,
      PUT = 1,
      FILL = 2,
      STORE_4 = 3,
      STORE_8 = 4,
      LOAD_4 = 5,
      LOAD_8 = 6;
  private static final VarHandle INT =
      ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final VarHandle LONG =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
  private static final ValueLayout.OfInt ANY_INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong ANY_LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final MemorySegment NOTHING = MemorySegment.ofArray(new byte[0]);
  private static final int BLOCK = Announcements.BLOCK;
  private static final int FRAME = MachineMemory.FRAME_BYTES;
  private static final VarHandle CONTEXT;

  static {
    try {
      CONTEXT =
          MethodHandles.lookup().findVarHandle(DmaPort.class, "context", RequesterContext.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final IommuUnit unit;
  private final int requester;
  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final SecondLevelWalk walk;
  private final Announcements announcements = new Announcements();

  /** The context cache's entry, null if there is none; written under the unit's lock. */
  private volatile RequesterContext context;

  DmaPort(IommuUnit unit, int requester) {
    this.unit = unit;
    this.requester = requester;
    memory = unit.memory();
    codeFrames = unit.codeFrames();
    walk = unit.walk();
  }

  /** Who uses it. */
  public RequesterId requester() {
    return new RequesterId(requester);
  }

  Announcements announcements() {
    return announcements;
  }

  RequesterContext context() {
    return context;
  }

  void setContext(RequesterContext to) {
    CONTEXT.setVolatile(this, to);
  }

  // ---- accesses

  /**
   * Reads memory.
   *
   * @param iova address of the first byte
   * @param into the device's buffer
   * @param at offset in it
   * @param length bytes
   * @return {@link #OK}, a fault's code, {@link #REVOKED} or {@link #BLOCKED}
   */
  public int read(long iova, MemorySegment into, long at, long length) {
    Objects.checkFromIndexSize(at, length, into.byteSize());
    return access(GET, iova, into, at, length, 0);
  }

  /** Writes memory; as {@link #read}, the other way. */
  public int write(long iova, MemorySegment from, long at, long length) {
    Objects.checkFromIndexSize(at, length, from.byteSize());
    if (MessageAddress.isInRange(iova)) {
      return length == 4
          ? interrupt(iova, from.get(ANY_INT, at))
          : fault(FaultReason.INTERRUPT_REQUEST_RESERVED.code(), 0, true);
    }
    return access(PUT, iova, from, at, length, 0);
  }

  /** Sets memory to one value. */
  public int fill(long iova, long length, byte value) {
    if (length < 0) {
      throw new IndexOutOfBoundsException("fill of a negative length: length=" + length);
    }
    return transfer(FILL, iova, NOTHING, 0, length, value);
  }

  /** Stores four aligned bytes, after all that was written before. Unaligned: a plain write. */
  public int storeInt(long iova, int value) {
    if (MessageAddress.isInRange(iova)) {
      return interrupt(iova, value);
    }
    if ((iova & 3) != 0) {
      MemorySegment bytes = MemorySegment.ofArray(new byte[4]);
      bytes.set(ANY_INT, 0, value);
      return write(iova, bytes, 0, 4);
    }
    return access(STORE_4, iova, NOTHING, 0, 4, value);
  }

  /** Stores eight aligned bytes, after all that was written before. Unaligned: a plain write. */
  public int storeLong(long iova, long value) {
    if ((iova & 7) != 0) {
      MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
      bytes.set(ANY_LONG, 0, value);
      return write(iova, bytes, 0, 8);
    }
    return access(STORE_8, iova, NOTHING, 0, 8, value);
  }

  /**
   * Reads four aligned bytes, before all that is read after. Unaligned: a plain read.
   *
   * @param into the device's buffer, aligned to four bytes where they go
   */
  public int loadInt(long iova, MemorySegment into, long at) {
    Objects.checkFromIndexSize(at, 4, into.byteSize());
    return access((iova & 3) == 0 ? LOAD_4 : GET, iova, into, at, 4, 0);
  }

  /** Reads eight aligned bytes, before all that is read after. Unaligned: a plain read. */
  public int loadLong(long iova, MemorySegment into, long at) {
    Objects.checkFromIndexSize(at, 8, into.byteSize());
    return access((iova & 7) == 0 ? LOAD_8 : GET, iova, into, at, 8, 0);
  }

  /**
   * The usual access, inside one page that the IOTLB has, with its steps in another order: it looks
   * first, announces, and then asks whether what it found still stands. A compare-and-set holds up
   * all loads behind it; this way there are two, and nothing hangs on their values but a jump.
   * Whatever is not as usual is done by {@link #transfer}.
   */
  private int access(int kind, long iova, MemorySegment host, long at, long length, long value) {
    RequesterContext now = context;
    if (now != null && now.status() == OK && (iova & FRAME - 1) + length <= FRAME) {
      TranslationCache iotlb = walk.small;
      long key = iotlb.key(now.did(), iova);
      int set = iotlb.setOf(key);
      long version = iotlb.version(set);
      long page = iotlb.peek(set, key);
      long need = kind == GET || kind >= LOAD_4 ? SecondLevelFormat.R : SecondLevelFormat.W;
      if ((page & need) != 0) {
        int slot = announcements.enter(now.did(), iova);
        try {
          if (iotlb.isStill(set, version) && context == now) {
            long ma = page & SecondLevelFormat.ADDRESS | iova & FRAME - 1;
            move(kind, ma, host, at, (int) length, value);
            return OK;
          }
        } finally {
          announcements.leave(slot);
        }
      }
    }
    return transfer(kind, iova, host, at, length, value);
  }

  private int transfer(int kind, long iova, MemorySegment host, long at, long length, long value) {
    for (long done = 0; done < length; ) {
      long here = iova + done;
      int part = (int) Math.min(length - done, BLOCK - (here & BLOCK - 1));
      long status = block(kind, here, host, at + done, part, value);
      if (status != OK) {
        return refused(status, here, kind != GET && kind < LOAD_4);
      }
      done += part;
    }
    return OK;
  }

  /**
   * An access inside one block of 64 KiB.
   *
   * @return {@link #OK}, the status of a context that refuses, or a fault's code with the offset in
   *     the block where it was met in the upper half
   */
  private long block(int kind, long iova, MemorySegment host, long at, int length, long value) {
    while (true) {
      RequesterContext now = usable();
      if (now.status() != OK) {
        return now.status();
      }
      int slot = announcements.enter(now.did(), iova);
      try {
        if (context == now) {
          return announced(kind, now, iova, host, at, length, value);
        }
      } finally {
        announcements.leave(slot);
      }
    }
  }

  private long announced(
      int kind,
      RequesterContext now,
      long iova,
      MemorySegment host,
      long at,
      int length,
      long value) {
    long need = kind == GET || kind >= LOAD_4 ? SecondLevelFormat.R : SecondLevelFormat.W;
    for (int done = 0; done < length; ) {
      long here = iova + done;
      int part = Math.min(length - done, FRAME - (int) (here & FRAME - 1));
      if (MessageAddress.isInRange(here)) {
        return FaultReason.INTERRUPT_REQUEST_RESERVED.code() | (long) done << 32;
      }
      long ma = walk.translate(now, here, need);
      if (ma < 0) {
        return ~ma | (long) done << 32;
      }
      move(kind, ma, host, at + done, part, value);
      done += part;
    }
    return OK;
  }

  private void move(int kind, long ma, MemorySegment host, long at, int part, long value) {
    if (kind == GET) {
      MemorySegment.copy(memory, ma, host, at, part);
      return;
    }
    if (kind == PUT) {
      MemorySegment.copy(host, at, memory, ma, part);
    } else {
      moveWord(kind, ma, host, at, part, value);
    }
    if (kind <= STORE_8) {
      codeFrames.written(ma >>> MachineMemory.FRAME_SHIFT);
    }
  }

  private void moveWord(int kind, long ma, MemorySegment host, long at, int part, long value) {
    switch (kind) {
      case STORE_4 -> INT.setRelease(memory, ma, (int) value);
      case STORE_8 -> LONG.setRelease(memory, ma, value);
      case LOAD_4 -> host.set(ANY_INT, at, (int) INT.getAcquire(memory, ma));
      case LOAD_8 -> host.set(ANY_LONG, at, (long) LONG.getAcquire(memory, ma));
      default -> memory.asSlice(ma, part).fill((byte) value);
    }
  }

  /**
   * Copies inside memory, from lower to higher addresses; what overlaps is copied over itself.
   *
   * @param from address of the first byte that is read
   * @param to address of the first byte that is written
   * @param length bytes
   */
  public int copy(long from, long to, long length) {
    if (length < 0) {
      throw new IndexOutOfBoundsException("copy of a negative length: length=" + length);
    }
    for (long done = 0; done < length; ) {
      long source = from + done;
      long target = to + done;
      int part =
          (int) Math.min(length - done, FRAME - Math.max(source & FRAME - 1, target & FRAME - 1));
      long status = copyPiece(source, target, part);
      if (status != OK) {
        boolean write = status > OK && (status & COPY_WRITE) != 0;
        return refused(write ? status & ~COPY_WRITE : status, write ? target : source, write);
      }
      done += part;
    }
    return OK;
  }

  private static final long COPY_WRITE = 1L << 20;

  private long copyPiece(long source, long target, int length) {
    while (true) {
      RequesterContext now = usable();
      if (now.status() != OK) {
        return now.status();
      }
      if (MessageAddress.isInRange(source) || MessageAddress.isInRange(target)) {
        return FaultReason.INTERRUPT_REQUEST_RESERVED.code()
            | (MessageAddress.isInRange(source) ? 0 : COPY_WRITE);
      }
      int slot = announcements.enter(now.did(), source);
      try {
        announcements.alsoEnter(slot, now.did(), target);
        if (context == now) {
          long sourceMa = walk.translate(now, source, SecondLevelFormat.R);
          if (sourceMa < 0) {
            return ~sourceMa;
          }
          long targetMa = walk.translate(now, target, SecondLevelFormat.W);
          if (targetMa < 0) {
            return ~targetMa | COPY_WRITE;
          }
          MemorySegment.copy(memory, sourceMa, memory, targetMa, length);
          codeFrames.written(targetMa >>> MachineMemory.FRAME_SHIFT);
          return OK;
        }
      } finally {
        announcements.alsoLeave(slot);
        announcements.leave(slot);
      }
    }
  }

  /**
   * Sends a message-signalled interrupt.
   *
   * @param address as the device was told, see {@link MessageAddress}
   * @param data likewise
   */
  public int interrupt(long address, int data) {
    if (!MessageAddress.isInRange(address)) {
      return storeInt(address, data);
    }
    RequesterContext now = context;
    if (now == RequesterContext.REVOKED || now == RequesterContext.BLOCKED) {
      return now.status();
    }
    long result;
    int slot = announcements.enter(0, address);
    try {
      now = context;
      if (now == RequesterContext.REVOKED || now == RequesterContext.BLOCKED) {
        return now.status();
      }
      result = unit.interrupts().remap(requester, address, data);
    } finally {
      announcements.leave(slot);
    }
    if (result == OK) {
      return OK;
    }
    int reason = (int) result & InterruptRemapping.REASON;
    if ((result & InterruptRemapping.RECORDED) != 0) {
      fault(reason, result >>> InterruptRemapping.INDEX_SHIFT, true);
    }
    return reason;
  }

  private RequesterContext usable() {
    RequesterContext now = context;
    return now != null ? now : unit.resolve(this, requester);
  }

  // ---- what went wrong

  private int refused(long status, long iova, boolean write) {
    int code = (int) status;
    if (code > OK) {
      RequesterContext now = context;
      if (now == null) { // the requester has no domain, or has just lost it
        now = unit.resolve(this, requester);
      }
      if (now.recordsFaults() || now.status() < OK) {
        fault(code, iova + (status >>> 32), write);
      }
    }
    return code;
  }

  private int fault(int code, long iova, boolean write) {
    unit.faults().record(requester, FaultReason.of(code), iova, write);
    return code;
  }

  // ---- its end

  /**
   * Ends the port: later accesses answer {@link #REVOKED}, and none is under way when this returns.
   * Doing so again does nothing.
   *
   * @throws IllegalStateException if an access does not end within seconds
   */
  public void revoke() {
    unit.revoke(this);
  }

  /** Makes accesses answer {@link #BLOCKED}; none is under way when this returns. */
  public void block() {
    unit.setBlocked(this, true);
  }

  /** Ends {@link #block}. */
  public void unblock() {
    unit.setBlocked(this, false);
  }
}

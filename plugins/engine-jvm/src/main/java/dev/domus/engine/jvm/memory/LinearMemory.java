package dev.domus.engine.jvm.memory;

import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.engine.IoMemory;
import dev.domus.memory.CodeFrames;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The linear address space of one vCPU: loads and stores through a software TLB over the guest's
 * page tables. The only class of the engine that touches the machine-memory segment.
 *
 * <p><b>Fast path.</b> One hash, one compare, one access. The compare is between a tag and the
 * address with the low bits of the access size left in, so it fails for a missing translation, for
 * a missing right, and for an address that is not aligned to its size; hence what passes it is
 * aligned and does not cross a page. All else goes to the slow path, which sorts out unaligned,
 * page-crossing, watched and non-canonical accesses and walks the page tables.
 *
 * <p><b>Memory order.</b> x86 is TSO (Intel SDM vol. 3, 9.2.2): only a load may overtake an earlier
 * store. Aligned loads are acquire and aligned stores release operations of their full width, which
 * keeps the compiler from reordering them and costs no instruction on x86. Unaligned accesses are
 * plain accesses between compiler fences; they are single machine instructions once compiled by C2,
 * but neither Java nor this class promises that nobody sees half of one. A page-crossing store is
 * made bytewise, both pages having been checked first.
 *
 * <p><b>Locked operations</b> that are aligned use compare-and-set on the segment (8- and 16-bit
 * ones on the dword that contains them). Those inside one aligned quadword but not aligned to their
 * size use compare-and-set on that quadword. Locked operations that cross a quadword boundary
 * exclude one another by a process-wide lock and nothing else.
 *
 * <p><b>Contexts.</b> Translations are kept apart by CR3, a few contexts a vCPU, because a PV guest
 * changes CR3 on every transition between its user and its kernel mode. Pages are invalidated in
 * all of them: the kernel names an address, not where it is mapped. An address space is at most one
 * context, and one that the vCPU is not in may be it.
 *
 * <p><b>Generations.</b> Whoever remembers where code was found remembers the context's generation
 * with it. To drop a page gives the context a new one only if code has been fetched by way of it:
 * guests invalidate pages of data all the time, and jumps would have to be looked up anew after
 * each.
 *
 * <p><b>Overlay.</b> For {@link #overlay}, a context of its own is in force that never holds a
 * translation: every access comes to the slow path, where the one page is told from all others.
 *
 * <p><b>I/O memory.</b> A page whose frame lies beyond the machine's memory never enters the TLB,
 * so every access to it comes to the slow path, where the machine address tells it from RAM; {@link
 * IoMemory} has the rules. Accesses that are not aligned to their size or cross a page are made
 * byte by byte. A locked operation is a load and a store under the lock for those that cross a
 * quadword.
 *
 * <p><b>Isolation.</b> Every machine address used here came from {@link PageWalk} under the present
 * CR3, with the access checked, for a page that is wholly inside the segment; and the segment is
 * bounded, so an engine bug cannot reach beyond machine memory.
 */
public final class LinearMemory {
  private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
  private static final VarHandle WORD = ValueLayout.JAVA_SHORT.varHandle();
  private static final VarHandle DWORD = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle QWORD = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle BYTE_HANDLE = BYTE.varHandle();
  private static final ValueLayout.OfShort WORD_UNALIGNED = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final ValueLayout.OfInt DWORD_UNALIGNED = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfLong QWORD_UNALIGNED = ValueLayout.JAVA_LONG_UNALIGNED;

  private static final long PAGE = -4096;
  private static final int CONTEXTS = 8;

  /**
   * Ranges up to here are dropped page by page: looking at so many entries of all contexts takes
   * about as long as clearing them, and what is left need not be found again.
   */
  private static final int FEW_PAGES = 64;

  /**
   * Serializes locked operations that no single compare-and-set covers, over all vCPUs of the
   * process.
   */
  private static final Object SPLIT_LOCK = new Object();

  private final MemorySegment memory;
  private final CodeFrames codeFrames;
  private final CodeWatcher watcher;
  private final GuestFault fault;
  private final IoMemory io;

  /** Machine addresses from here on are I/O memory. */
  private final long ramEnd;

  private final Tlb[] contexts = new Tlb[CONTEXTS];
  private final DataBreakpoints breakpoints = new DataBreakpoints();
  private final Tlb overlay = new Tlb();
  private Tlb context;
  private Tlb contextBeforeOverlay;
  private long overlaidPage;
  private long overlayFrame;
  private long[] tlb;
  private long uses;
  private long generations;
  private boolean checkAlignment;

  /**
   * Makes the address space of one vCPU.
   *
   * @param memory all machine memory
   * @param codeFrames which frames hold decoded code
   * @param watcher told of stores to such frames
   * @param fault what is thrown when an access faults
   * @param io what lies beyond the machine's memory
   */
  public LinearMemory(
      MemorySegment memory,
      CodeFrames codeFrames,
      CodeWatcher watcher,
      GuestFault fault,
      IoMemory io) {
    this.memory = memory;
    this.io = io;
    ramEnd = memory.byteSize();
    this.codeFrames = codeFrames;
    this.watcher = watcher;
    this.fault = fault;
    for (int n = 0; n < CONTEXTS; n++) {
      contexts[n] = new Tlb();
      contexts[n].generation = ++generations;
    }
    context = contexts[0];
    tlb = context.entries;
  }

  /**
   * Takes CR3, the alignment check and the debug registers from the register file; to be called
   * when a run begins.
   */
  public void load(CpuState state) {
    if (context.cr3 != state.cr3) {
      enterContext(state.cr3);
    }
    setAlignmentCheck((state.rflags & CpuState.AC) != 0 && (state.cr0 & 1 << 18) != 0);
    if ((state.dr[7] & 0xFF) != 0) {
      if (breakpoints.load(state)) {
        for (int n = 0; n < 4; n++) {
          dropPages(state.dr[n], 1);
          dropPages(state.dr[n] + 7, 1);
        }
      }
    } else {
      breakpoints.load(state);
    }
  }

  /** Turns #AC for misaligned accesses on or off. */
  public void setAlignmentCheck(boolean on) {
    checkAlignment = on;
  }

  /** DR6 bits of the data breakpoints hit since the last call. */
  public long takeBreakpointHits() {
    return breakpoints.take();
  }

  private void enterContext(long cr3) {
    Tlb choice = contexts[0];
    for (Tlb candidate : contexts) {
      if (candidate.cr3 == cr3) {
        choice = candidate;
        break;
      }
      if (candidate.lastUse < choice.lastUse) {
        choice = candidate;
      }
    }
    if (choice.cr3 != cr3) {
      choice.clear();
      choice.cr3 = cr3;
      choice.generation = ++generations;
    }
    choice.lastUse = ++uses;
    context = choice;
    tlb = choice.entries;
  }

  /**
   * Identifies the present set of translations: what was found under one generation holds while it
   * is in force.
   */
  public long generation() {
    return context.generation;
  }

  /**
   * Puts a frame in the place of a page until {@link #endOverlay}: reads and writes of the page go
   * to it, if aligned to their size; writes anywhere else, and accesses to the page that are not
   * aligned, are page faults. Nothing is cached meanwhile.
   */
  public void overlay(long va, long mfn) {
    overlaidPage = va & PAGE;
    overlayFrame = mfn << 12;
    contextBeforeOverlay = context;
    if (overlay.cr3 != context.cr3) {
      overlay.cr3 = context.cr3;
      overlay.generation = ++generations;
    }
    context = overlay;
    tlb = overlay.entries;
  }

  /** Goes back to the page tables. */
  public void endOverlay() {
    context = contextBeforeOverlay;
    tlb = context.entries;
  }

  /**
   * Drops translations.
   *
   * @param invalidation which, as {@link Invalidation} encodes it
   */
  public void invalidate(long invalidation) {
    switch (Invalidation.kind(invalidation)) {
      case ALL -> dropAll();
      case PAGES -> {
        if (Invalidation.pages(invalidation) <= FEW_PAGES) {
          dropPages(Invalidation.va(invalidation), Invalidation.pages(invalidation));
        } else {
          dropAll();
        }
      }
      case ADDRESS_SPACE -> dropContext(Invalidation.cr3(invalidation));
    }
    overlay.generation = ++generations; // what the caches of code have found by it is gone too
  }

  private void dropAll() {
    for (Tlb each : contexts) {
      drop(each);
    }
  }

  private void dropContext(long cr3) {
    for (Tlb each : contexts) {
      if (each.cr3 == cr3) {
        drop(each);
      }
    }
  }

  private void drop(Tlb each) {
    each.clear();
    each.generation = ++generations;
  }

  private void dropPages(long va, int pages) {
    for (Tlb each : contexts) {
      boolean code = false;
      for (int n = 0; n < pages; n++) {
        code |= each.drop(va + ((long) n << 12));
      }
      if (code) {
        each.generation = ++generations;
      }
    }
  }

  /**
   * Makes sure that every later store to a frame is noticed, for the frame is about to be decoded.
   */
  public void watchStoresTo(long mfn) {
    for (Tlb each : contexts) {
      each.dropWritesTo(mfn << 12);
    }
  }

  // ---- loads; results are zero-extended ----

  /** Loads 8 bits. */
  public long loadByte(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & PAGE)
        ? (byte) BYTE_HANDLE.getAcquire(memory, va + t[i + Tlb.ADDEND]) & 0xFF
        : loadSlow(va, 1, 0);
  }

  /** Loads 16 bits. */
  public long loadWord(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & (PAGE | 1))
        ? (short) WORD.getAcquire(memory, va + t[i + Tlb.ADDEND]) & 0xFFFF
        : loadSlow(va, 2, 0);
  }

  /** Loads 32 bits. */
  public long loadDword(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & (PAGE | 3))
        ? (int) DWORD.getAcquire(memory, va + t[i + Tlb.ADDEND]) & 0xFFFFFFFFL
        : loadSlow(va, 4, 0);
  }

  /** Loads 64 bits. */
  public long loadQword(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & (PAGE | 7))
        ? (long) QWORD.getAcquire(memory, va + t[i + Tlb.ADDEND])
        : loadSlow(va, 8, 0);
  }

  /** Loads 64 bits from the stack: a non-canonical address is #SS. */
  public long loadStackQword(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & (PAGE | 7))
        ? (long) QWORD.getAcquire(memory, va + t[i + Tlb.ADDEND])
        : loadSlow(va, 8, STACK);
  }

  /** Loads {@code size} bytes (1, 2, 4 or 8), zero-extended. */
  public long load(long va, int size) {
    return switch (size) {
      case 1 -> loadByte(va);
      case 2 -> loadWord(va);
      case 4 -> loadDword(va);
      default -> loadQword(va);
    };
  }

  /** Loads from the stack: a non-canonical address is #SS. */
  public long loadStack(long va, int size) {
    return size == 8 ? loadStackQword(va) : loadSlow(va, size, STACK);
  }

  /** Loads what will be stored back: faults as a write, before anything has changed. */
  public long loadForWrite(long va, int size) {
    probeWrite(va, size);
    return load(va, size);
  }

  // ---- stores ----

  /** Stores 8 bits. */
  public void storeByte(long va, long value) {
    long[] t = tlb;
    int i = Tlb.index(va);
    if (t[i + Tlb.WRITE] == (va & PAGE)) {
      BYTE_HANDLE.setRelease(memory, va + t[i + Tlb.ADDEND], (byte) value);
    } else {
      storeSlow(va, value, 1, 0);
    }
  }

  /** Stores 16 bits. */
  public void storeWord(long va, long value) {
    long[] t = tlb;
    int i = Tlb.index(va);
    if (t[i + Tlb.WRITE] == (va & (PAGE | 1))) {
      WORD.setRelease(memory, va + t[i + Tlb.ADDEND], (short) value);
    } else {
      storeSlow(va, value, 2, 0);
    }
  }

  /** Stores 32 bits. */
  public void storeDword(long va, long value) {
    long[] t = tlb;
    int i = Tlb.index(va);
    if (t[i + Tlb.WRITE] == (va & (PAGE | 3))) {
      DWORD.setRelease(memory, va + t[i + Tlb.ADDEND], (int) value);
    } else {
      storeSlow(va, value, 4, 0);
    }
  }

  /** Stores 64 bits. */
  public void storeQword(long va, long value) {
    long[] t = tlb;
    int i = Tlb.index(va);
    if (t[i + Tlb.WRITE] == (va & (PAGE | 7))) {
      QWORD.setRelease(memory, va + t[i + Tlb.ADDEND], value);
    } else {
      storeSlow(va, value, 8, 0);
    }
  }

  /** Stores 64 bits to the stack: a non-canonical address is #SS. */
  public void storeStackQword(long va, long value) {
    long[] t = tlb;
    int i = Tlb.index(va);
    if (t[i + Tlb.WRITE] == (va & (PAGE | 7))) {
      QWORD.setRelease(memory, va + t[i + Tlb.ADDEND], value);
    } else {
      storeSlow(va, value, 8, STACK);
    }
  }

  /** Stores {@code size} bytes (1, 2, 4 or 8). */
  public void store(long va, long value, int size) {
    switch (size) {
      case 1 -> storeByte(va, value);
      case 2 -> storeWord(va, value);
      case 4 -> storeDword(va, value);
      default -> storeQword(va, value);
    }
  }

  /** Stores to the stack: a non-canonical address is #SS. */
  public void storeStack(long va, long value, int size) {
    if (size == 8) {
      storeStackQword(va, value);
    } else {
      storeSlow(va, value, size, STACK);
    }
  }

  /** Faults if a later store of {@code size} bytes would; otherwise the store cannot fault. */
  public void probeWrite(long va, int size) {
    if (tlb[Tlb.index(va) + Tlb.WRITE] != (va & (PAGE | (size - 1)))) {
      checkAlignment(va, size);
      breakpoints.access(va, size, true);
      translate(va, PageWalk.WRITE);
      long last = va + size - 1;
      if ((last ^ va) >>> 12 != 0) {
        translate(last & PAGE, PageWalk.WRITE);
      }
    }
  }

  /** Faults if a later load of {@code size} bytes would. */
  public void probeRead(long va, int size) {
    translate(va, 0);
    long last = va + size - 1;
    if ((last ^ va) >>> 12 != 0) {
      translate(last & PAGE, 0);
    }
  }

  // ---- locked operations ----

  /**
   * Where a locked operation takes place, having checked that it may write there.
   *
   * @return the machine address, or -1 if the operand crosses an aligned quadword or is in I/O
   *     memory (then see {@link #splitLock})
   */
  public long lockedAddress(long va, int size) {
    probeWrite(va, size);
    long ma = (va & 7) + size > 8 ? -1 : toWrite(va);
    return ma < ramEnd ? ma : -1;
  }

  /** The monitor to hold around a locked operation for which {@link #lockedAddress} gave -1. */
  public static Object splitLock() {
    return SPLIT_LOCK;
  }

  /** Loads the operand of a locked operation. */
  public long lockedLoad(long ma, int size) {
    if ((ma & (size - 1)) == 0) {
      return switch (size) {
        case 8 -> (long) QWORD.getVolatile(memory, ma);
        case 4 -> (int) DWORD.getVolatile(memory, ma) & 0xFFFFFFFFL;
        case 2 -> (short) WORD.getVolatile(memory, ma) & 0xFFFFL;
        default -> (byte) BYTE_HANDLE.getVolatile(memory, ma) & 0xFFL;
      };
    }
    long word = (long) QWORD.getVolatile(memory, ma & -8);
    return word >>> 8 * (ma & 7) & mask(size);
  }

  /**
   * The store of a locked operation.
   *
   * @return whether the operand still held {@code expected}
   */
  public boolean compareAndSet(long ma, int size, long expected, long value) {
    boolean done;
    if (size == 8 && (ma & 7) == 0) {
      done = QWORD.compareAndSet(memory, ma, expected, value);
    } else if (size == 4 && (ma & 3) == 0) {
      done = DWORD.compareAndSet(memory, ma, (int) expected, (int) value);
    } else {
      long mask = mask(size);
      if ((ma & 3) + size <= 4) {
        int shift = 8 * (int) (ma & 3);
        int word = (int) DWORD.getVolatile(memory, ma & -4);
        int others = word & ~(int) (mask << shift);
        done =
            (word >>> shift & mask) == (expected & mask)
                && DWORD.compareAndSet(
                    memory, ma & -4, word, others | (int) ((value & mask) << shift));
      } else {
        int shift = 8 * (int) (ma & 7);
        long word = (long) QWORD.getVolatile(memory, ma & -8);
        long others = word & ~(mask << shift);
        done =
            (word >>> shift & mask) == (expected & mask)
                && QWORD.compareAndSet(memory, ma & -8, word, others | (value & mask) << shift);
      }
    }
    if (done) {
      noticeStore(ma, size);
    }
    return done;
  }

  private static long mask(int size) {
    return -1L >>> 64 - 8 * size;
  }

  // ---- pages as a whole ----

  /**
   * Machine address of a byte that may be read; repeated string instructions use it page by page.
   */
  public long toRead(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i] == (va & PAGE) ? va + t[i + Tlb.ADDEND] : translate(va, 0);
  }

  /**
   * Machine address of a byte that may be written; the caller reports what it stored by {@link
   * #noticeStore}.
   */
  public long toWrite(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i + Tlb.WRITE] == (va & PAGE) ? va + t[i + Tlb.ADDEND] : translate(va, PageWalk.WRITE);
  }

  /**
   * Says whether accesses to the page must be made one by one, because a data breakpoint lies in
   * it.
   */
  public boolean mustGoSlowly(long va) {
    return checkAlignment || breakpoints.onPage(va);
  }

  /** Says whether a machine address is a device's, so that its bytes cannot be moved as a whole. */
  public boolean isIo(long ma) {
    return ma >= ramEnd;
  }

  /** Copies between machine addresses inside a page each; the ranges do not overlap. */
  public void copy(long fromMa, long toMa, int bytes) {
    VarHandle.acquireFence();
    MemorySegment.copy(memory, fromMa, memory, toMa, bytes);
    VarHandle.releaseFence();
    noticeStore(toMa, bytes);
  }

  /** Fills part of a page with one byte. */
  public void fill(long toMa, int bytes, byte value) {
    memory.asSlice(toMa, bytes).fill(value);
    VarHandle.releaseFence();
    noticeStore(toMa, bytes);
  }

  /** Copies part of a page out. */
  public void copyOut(long fromMa, byte[] to, int at, int bytes) {
    VarHandle.acquireFence();
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, fromMa, to, at, bytes);
  }

  /** Tells the code cache about a store to a frame that holds decoded code. */
  public void noticeStore(long ma, int size) {
    if (ma < ramEnd && codeFrames.watched(ma >>> 12)) {
      watcher.storedToCode(ma, size);
    }
  }

  /** Machine address of the instruction byte at a linear address. */
  public long fetchAddress(long va) {
    long[] t = tlb;
    int i = Tlb.index(va);
    return t[i + Tlb.EXEC] == (va & PAGE) ? va + t[i + Tlb.ADDEND] : translate(va, PageWalk.FETCH);
  }

  // ---- slow paths ----

  /**
   * Access flag, beside those of {@link PageWalk}: the operand is addressed by way of the stack
   * segment.
   */
  private static final int STACK = 1 << 8;

  /** What every walk is made with. */
  private static final int WALK = PageWalk.USER | PageWalk.DEVICE;

  private long loadSlow(long va, int size, int flags) {
    checkAlignment(va, size);
    if ((int) (va & 4095) + size > 4096) {
      return loadSplit(va, size, flags);
    }
    long ma = translate(va, flags);
    breakpoints.access(va, size, false);
    if (ma >= ramEnd) {
      return io.load(ma, size);
    }
    if ((va & (size - 1)) == 0) {
      return lockedLoad(ma, size);
    }
    long value =
        switch (size) {
          case 2 -> memory.get(WORD_UNALIGNED, ma) & 0xFFFFL;
          case 4 -> memory.get(DWORD_UNALIGNED, ma) & 0xFFFFFFFFL;
          default -> memory.get(QWORD_UNALIGNED, ma);
        };
    VarHandle.acquireFence();
    return value;
  }

  private long loadSplit(long va, int size, int flags) {
    long low = translate(va, flags);
    long high = translate((va | 4095) + 1, flags);
    breakpoints.access(va, size, false);
    int inLow = 4096 - (int) (va & 4095);
    long value = 0;
    for (int n = 0; n < size; n++) {
      long ma = n < inLow ? low + n : high + n - inLow;
      long b = ma >= ramEnd ? io.load(ma, 1) : memory.get(BYTE, ma) & 0xFFL;
      value |= b << 8 * n;
    }
    VarHandle.acquireFence();
    return value;
  }

  private void storeSlow(long va, long value, int size, int flags) {
    checkAlignment(va, size);
    if ((int) (va & 4095) + size > 4096) {
      storeSplit(va, value, size, flags);
      return;
    }
    long ma = translate(va, flags | PageWalk.WRITE);
    breakpoints.access(va, size, true);
    if (ma >= ramEnd) {
      io.store(ma, size, value);
      return;
    }
    VarHandle.releaseFence();
    switch (size) {
      case 1 -> memory.set(BYTE, ma, (byte) value);
      case 2 -> memory.set(WORD_UNALIGNED, ma, (short) value);
      case 4 -> memory.set(DWORD_UNALIGNED, ma, (int) value);
      default -> memory.set(QWORD_UNALIGNED, ma, value);
    }
    noticeStore(ma, size);
  }

  private void storeSplit(long va, long value, int size, int flags) {
    long low = translate(va, flags | PageWalk.WRITE);
    long high = translate((va | 4095) + 1, flags | PageWalk.WRITE);
    breakpoints.access(va, size, true);
    int inLow = 4096 - (int) (va & 4095);
    VarHandle.releaseFence();
    for (int n = 0; n < size; n++) {
      long ma = n < inLow ? low + n : high + n - inLow;
      if (ma >= ramEnd) {
        io.store(ma, 1, value >>> 8 * n);
      } else {
        memory.set(BYTE, ma, (byte) (value >>> 8 * n));
      }
    }
    noticeStore(low, inLow);
    noticeStore(high, size - inLow);
  }

  private GuestFault readOnly(long va) {
    return fault.pageFault(va, PageWalk.PRESENT | PageWalk.WRITE | PageWalk.USER);
  }

  private void checkAlignment(long va, int size) {
    if ((va & (size - 1)) != 0) {
      if (checkAlignment) {
        throw fault.of(GuestFault.AC, 0);
      }
      if (context == overlay && (va & PAGE) == overlaidPage) {
        throw readOnly(va);
      }
    }
  }

  /**
   * Walks the tables, remembers the translation and returns the machine address; faults if the
   * access is not allowed.
   */
  private long translate(long va, int flags) {
    int access = flags & (PageWalk.WRITE | PageWalk.FETCH);
    int i = Tlb.index(va);
    int tag = access == 0 ? Tlb.READ : access == PageWalk.WRITE ? Tlb.WRITE : Tlb.EXEC;
    if (tlb[i + tag] == (va & PAGE)) {
      return va + tlb[i + Tlb.ADDEND];
    }
    if (!Pte.isCanonical(va)) {
      throw fault.of((flags & STACK) != 0 ? GuestFault.SS : GuestFault.NON_CANONICAL, 0);
    }
    boolean overlaid = context == overlay;
    if (overlaid && access != PageWalk.FETCH && (va & PAGE) == overlaidPage) {
      return overlayFrame | va & 4095;
    }
    if (overlaid && access == PageWalk.WRITE) {
      throw readOnly(va);
    }
    long found = PageWalk.walk(memory, context.cr3, va, access | WALK);
    if (found < 0) {
      context.drop(
          va); // as the processor does: a fault leaves no stale translation of its page behind
      throw fault.pageFault(va, PageWalk.errorCode(found));
    }
    long frame = PageWalk.frameAddress(found);
    if (frame >= ramEnd) {
      checkIo(va, frame, access, overlaid);
      return frame | va & 4095;
    }
    if (overlaid) {
      return frame | va & 4095;
    }
    boolean slow = breakpoints.onPage(va);
    boolean write =
        (found & PageWalk.MAY_WRITE) != 0
            && (found & PageWalk.DIRTY) != 0
            && !slow
            && !codeFrames.watched(frame >>> 12);
    context.enter(va, frame, !slow, write, access == PageWalk.FETCH);
    return frame | va & 4095;
  }

  /** Faults unless I/O memory may be reached now, and in this way. */
  private void checkIo(long va, long frame, int access, boolean overlaid) {
    if (access == PageWalk.FETCH) {
      throw fault.pageFault(va, PageWalk.PRESENT | PageWalk.FETCH | PageWalk.USER);
    }
    if (overlaid) {
      throw readOnly(va); // an access that has effects elsewhere is not made on trial
    }
    if (!io.isReachable(frame)) {
      throw fault.pageFault(va, access | PageWalk.USER);
    }
  }
}

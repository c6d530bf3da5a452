package dev.domus.iommu;

import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The queued invalidation interface: a ring of descriptors in machine frames (Intel VT-d, 6.5.2),
 * for those who collect invalidations and pay for them once.
 *
 * <pre>
 *   context cache   3-0: 1   5-4: 1 all, 2 domain, 3 device   31-16 domain id   47-32 source id
 *   (6.5.2.1)       49-48: bits of the function that do not count
 *   IOTLB           3-0: 2   5-4: 1 all, 2 domain, 3 pages    7 DR, 6 DW        31-16 domain id
 *   (6.5.2.3)       high: 63-12 address, 6 IH: leaves only, 5-0: 2^AM pages, aligned
 *   interrupt entry 3-0: 4   4: 1 by index   31-27 2^IM entries   47-32 index
 *   (6.5.2.7)
 *   wait            3-0: 5   4 IF   5 SW: write 63-32 to high:   6 FN: fence
 *   (6.5.2.8)
 * </pre>
 *
 * <p><b>Who processes it.</b> The thread that rings ({@link #ring}): the descriptors are done when
 * that returns. A thread of the unit's own would have to be woken, some 5 µs, and competes with
 * guests for processors, and whoever unmaps in strict mode would wait for both. Strict unmaps do
 * not come here at all ({@link IoDomain#unmap}, as by VT-d's register-based interface, 6.5.1), so
 * that threads that unmap do not meet at a queue. A unit backed by hardware would write descriptors
 * as they are into the real queue.
 *
 * <p><b>Order.</b> Descriptors are fetched in order. The caches forget at once; the accesses that
 * used what was forgotten are waited for at the next wait descriptor, or when the queue is empty,
 * once for all of them: a batch of a hundred costs one look at the ports.
 *
 * <p>A descriptor of unknown type or with reserved bits stops the queue (IQE in the fault status
 * register, 6.5.2.10): {@link #ring} answers false, and {@link #skipBad} goes on behind it.
 *
 * <p>Thread-safe; one lock.
 */
public final class InvalidationQueue {
  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();

  private static final int CONTEXT = 1, IOTLB = 2, INTERRUPT = 4, WAIT = 5;
  private static final int ALL = 1, DOMAIN = 2, SELECTIVE = 3;
  private static final int GRANULARITY_SHIFT = 4;
  private static final int DID_SHIFT = 16;
  private static final int SID_SHIFT = 32;
  private static final int FUNCTION_MASK_SHIFT = 48;
  private static final long DRAIN = 3 << 6;
  private static final long LEAVES_ONLY = 1 << 6;
  private static final long STATUS_WRITE = 1 << 5;
  private static final long FENCE = 1 << 6;

  private static final long CONTEXT_RESERVED = 0xFFFC_0000_0000_FFC0L;
  private static final long IOTLB_RESERVED_LOW = 0xFFFF_FFFF_0000_FF00L;
  private static final long IOTLB_RESERVED_HIGH = 0xF80L;
  private static final long INTERRUPT_RESERVED = 0xFFFF_0000_07FF_FFE0L;
  private static final long WAIT_RESERVED = 0xFFFF_FF80L;

  /** The largest address mask (CAP.MAMV): all of a 57-bit space would be 45. */
  private static final int MOST_PAGES_ORDER = 45;

  /** What each function mask leaves of a source id. */
  private static final int[] SOURCE_BITS = {0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};

  private static final int NOBODY = 0;

  private final IommuUnit unit;
  private final MemorySegment memory;
  private final TableFrames frames;
  private final int order;
  private final long ring;
  private final int size;
  private int head;
  private int tail;
  private boolean error;
  private Runnable event = () -> {};

  /**
   * Whose accesses are to be waited for: a domain, {@link #NOBODY} or {@link
   * Announcements#ANY_DOMAIN}.
   */
  private int unwaited = NOBODY;

  /** Whose accesses this batch has waited for before it removed anything. */
  private int drained = NOBODY;

  InvalidationQueue(IommuUnit unit, TableFrames frames, int order) {
    this.unit = unit;
    this.memory = unit.memory();
    this.frames = frames;
    this.order = order;
    long mfn = frames.take(order);
    if (mfn == TableFrames.NONE) {
      throw IommuUnit.noMemory("the invalidation queue");
    }
    ring = mfn << MachineMemory.FRAME_SHIFT;
    size = MachineMemory.FRAME_BYTES / 16 << order;
  }

  /** Number of descriptors that the ring has room for, but one. */
  public int size() {
    return size;
  }

  /** Sets who is called for wait descriptors with the interrupt flag, in the ringing thread. */
  public synchronized void onWait(Runnable handler) {
    event = handler;
  }

  /** Whether a bad descriptor has stopped the queue. */
  public synchronized boolean hasError() {
    return error;
  }

  // ---- queueing

  /** Queues an invalidation of 2<sup>order</sup> pages of a domain, aligned to their size. */
  public void pages(int did, long iova, int order, boolean leavesOnly) {
    submit(
        IOTLB | SELECTIVE << GRANULARITY_SHIFT | DRAIN | (long) did << DID_SHIFT,
        iova | (leavesOnly ? LEAVES_ONLY : 0) | order);
  }

  /** Queues an invalidation of all of a domain. */
  public void domain(int did) {
    submit(IOTLB | DOMAIN << GRANULARITY_SHIFT | DRAIN | (long) did << DID_SHIFT, 0);
  }

  /** Queues an invalidation of everything. */
  public void everything() {
    submit(IOTLB | ALL << GRANULARITY_SHIFT | DRAIN, 0);
  }

  /** Queues an invalidation of one requester's context. */
  public void context(RequesterId requester, int did) {
    submit(
        CONTEXT
            | SELECTIVE << GRANULARITY_SHIFT
            | (long) did << DID_SHIFT
            | (long) requester.value() << SID_SHIFT,
        0);
  }

  /**
   * Queues a wait: when it is done, so is all before it.
   *
   * @param address machine address of four aligned bytes that are then written
   * @param status what is written there
   */
  public void waitAndWrite(long address, int status) {
    submit(WAIT | STATUS_WRITE | FENCE | (long) status << 32, address);
  }

  /**
   * Queues a descriptor as it stands. If there is no room the queue is processed first.
   *
   * @throws IllegalStateException if there is no room because a bad descriptor has stopped it
   */
  public synchronized void submit(long low, long high) {
    if ((tail + 1) % size == head && !process()) {
      throw new IllegalStateException(
          "The invalidation queue was stopped by a bad descriptor and is full; skip it: head="
              + head);
    }
    LONG.setOpaque(memory, ring + tail * 16L, low);
    LONG.setOpaque(memory, ring + tail * 16L + 8, high);
    tail = (tail + 1) % size;
  }

  // ---- processing

  /** Rings: all that was queued is done when this returns; false if a bad descriptor stops it. */
  public synchronized boolean ring() {
    return process();
  }

  /** Goes on behind the descriptor that has stopped the queue. */
  public synchronized boolean skipBad() {
    if (error) {
      error = false;
      head = (head + 1) % size;
    }
    return process();
  }

  private boolean process() {
    drained = NOBODY;
    while (!error && head != tail) {
      long low = (long) LONG.getOpaque(memory, ring + head * 16L);
      long high = (long) LONG.getOpaque(memory, ring + head * 16L + 8);
      error = !execute(low, high);
      if (!error) {
        head = (head + 1) % size;
      }
    }
    settle();
    return !error;
  }

  private boolean execute(long low, long high) {
    return switch ((int) low & 0xF) {
      case CONTEXT -> (low & CONTEXT_RESERVED) == 0 && high == 0 && context(low);
      case IOTLB ->
          (low & IOTLB_RESERVED_LOW) == 0 && (high & IOTLB_RESERVED_HIGH) == 0 && iotlb(low, high);
      case INTERRUPT -> (low & INTERRUPT_RESERVED) == 0 && high == 0 && interruptEntries();
      case WAIT -> (low & WAIT_RESERVED) == 0 && (high & 3) == 0 && await(low, high);
      default -> false;
    };
  }

  private boolean context(long low) {
    int granularity = (int) (low >>> GRANULARITY_SHIFT) & 3;
    if (granularity == 0) {
      return false;
    }
    boolean device = granularity == SELECTIVE;
    int requester = (int) (low >>> SID_SHIFT) & 0xFFFF;
    // Contexts of a domain are forgotten with all others: they are few and soon found again.
    unit.forgetContexts(
        requester, device ? SOURCE_BITS[(int) (low >>> FUNCTION_MASK_SHIFT) & 3] : 0);
    return true;
  }

  private boolean iotlb(long low, long high) {
    int granularity = (int) (low >>> GRANULARITY_SHIFT) & 3;
    int did = (int) (low >>> DID_SHIFT) & 0xFFFF;
    Invalidation invalidation = unit.invalidation();
    if (granularity == ALL) {
      drainOnce(Announcements.ANY_DOMAIN);
      invalidation.removeAll();
      unwaited = Announcements.ANY_DOMAIN;
      return true;
    }
    if (granularity == 0 || did == 0 || did >= IommuUnit.DOMAIN_IDS) {
      return false;
    }
    drainOnce(did);
    if (granularity == DOMAIN) {
      invalidation.removeDomain(did);
    } else {
      int pagesOrder = (int) high & 0x3F;
      if (pagesOrder > MOST_PAGES_ORDER) {
        return false;
      }
      long first = high & -1L << MachineMemory.FRAME_SHIFT + pagesOrder;
      long last = first + (1L << MachineMemory.FRAME_SHIFT + pagesOrder) - 1;
      invalidation.removePages(did, first, last);
      if ((high & LEAVES_ONLY) == 0) {
        invalidation.removeTables(did, first, last);
      }
    }
    unwaited = unwaited == NOBODY || unwaited == did ? did : Announcements.ANY_DOMAIN;
    return true;
  }

  /** Entries are not cached; a message that has read its entry is waited for. */
  private boolean interruptEntries() {
    unit.drainEveryPort();
    return true;
  }

  private boolean await(long low, long high) {
    if ((low & STATUS_WRITE) != 0 && Long.compareUnsigned(high, memory.byteSize() - 4) > 0) {
      return false;
    }
    settle();
    if ((low & STATUS_WRITE) != 0) {
      INT.setRelease(memory, high, (int) (low >>> 32));
    }
    if ((low & 1 << 4) != 0) {
      event.run();
    }
    return true;
  }

  /**
   * The first wait of {@link Invalidation}'s protocol, once for all descriptors of a batch: whoever
   * queued them had changed the tables before.
   */
  private void drainOnce(int whose) {
    if (drained != whose && drained != Announcements.ANY_DOMAIN) {
      drained = drained == NOBODY ? whose : Announcements.ANY_DOMAIN;
      drain(drained);
    }
  }

  /** The last one, for all that was removed so far. */
  private void settle() {
    drain(unwaited);
    unwaited = NOBODY;
  }

  private void drain(int whose) {
    if (whose == Announcements.ANY_DOMAIN) {
      unit.invalidation().drainAll();
    } else if (whose != NOBODY) {
      unit.invalidation().drain(whose, 0, -1L);
    }
  }

  void free() {
    frames.give(ring >>> MachineMemory.FRAME_SHIFT, order);
  }
}

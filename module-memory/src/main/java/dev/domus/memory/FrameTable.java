package dev.domus.memory;

import static dev.domus.memory.FrameTableLayout.ALLOCATED;
import static dev.domus.memory.FrameTableLayout.BUSY;
import static dev.domus.memory.FrameTableLayout.COUNT;
import static dev.domus.memory.FrameTableLayout.DIRTY;
import static dev.domus.memory.FrameTableLayout.FREE;
import static dev.domus.memory.FrameTableLayout.INT;
import static dev.domus.memory.FrameTableLayout.LINEAR;
import static dev.domus.memory.FrameTableLayout.LONG;
import static dev.domus.memory.FrameTableLayout.OWNER_SHIFT;
import static dev.domus.memory.FrameTableLayout.PARTIAL;
import static dev.domus.memory.FrameTableLayout.PINNED;
import static dev.domus.memory.FrameTableLayout.PROGRESS;
import static dev.domus.memory.FrameTableLayout.PROGRESS_SHIFT;
import static dev.domus.memory.FrameTableLayout.SPECIAL;
import static dev.domus.memory.FrameTableLayout.STAMP;
import static dev.domus.memory.FrameTableLayout.TYPE;
import static dev.domus.memory.FrameTableLayout.TYPE_SHIFT;
import static dev.domus.memory.FrameTableLayout.USE;
import static dev.domus.memory.FrameTableLayout.VALIDATED;
import static dev.domus.memory.FrameTableLayout.at;

import java.lang.foreign.MemorySegment;

/**
 * Who owns each machine frame, how often it is referred to, and as what it may be used.
 *
 * <h2>Two counts</h2>
 *
 * A <em>general reference</em> keeps a frame with its owner: the frame can be given to somebody
 * else only after the last one is put. One of them is the <em>allocation</em> itself, dropped once
 * when the owner gives the frame back; the others are mappings, pins, grants and windows. A
 * <em>type reference</em> keeps a frame in one use: a frame is writable, or a page table of one
 * level, or a page of segment descriptors, never two at once, because the type changes only while
 * the type count is 0. All of isolation rests on this: what a processor follows as a page table
 * nobody can write but the hypervisor. Whoever takes a type reference holds a general reference as
 * well (xen-pv-abi.md, 5.1).
 *
 * <h2>States of the type word</h2>
 *
 * <pre>
 *        take(writable)                        take(table)
 *   +--------------------+   count 0   +-------------------------+
 *   |                    |  any type   |                         |
 *   v                    +-------------+                         v
 *  WRITABLE n            ^          ^                       T 1 BUSY &lt;-------------+ take(T),
 *   |  take: n+1         |          | validationFailed,     |  ^  |              | takePartial
 *   |  put:  n-1         |          | devalidated           |  |  |  park        |
 *   +--------------------+          +-----------------------+  |  +----> T 1 PARTIAL
 *          last put                              last put      |  | validated    e entries held
 *                                                of a table    |  v
 *                                                            T n VALIDATED  take: n+1, put: n-1
 * </pre>
 *
 * BUSY is exclusive: nobody else can take or put a type reference, so the contents of a table do
 * not change under the thread that validates or takes it apart, and only that thread leaves the
 * state. A descriptor page needs no taking apart; like a writable frame it keeps its type and
 * VALIDATED at count 0, so the same use again costs one CAS.
 *
 * <h2>PARTIAL</h2>
 *
 * A table with much below it is validated, and taken apart, in steps. Between two of them it is
 * PARTIAL: its first {@link #progress} entries hold what entries of a validated table hold, the
 * others hold nothing. There is no direction in it: from any PARTIAL state one can go on upwards to
 * VALIDATED, or downwards to no use at all. The state has the frame's one type reference and a
 * general reference for itself, not for whoever left it so; therefore nobody can use the frame as
 * anything else meanwhile, it cannot be freed, and nothing is lost if nobody comes back. Whoever
 * takes the same type goes on where it stopped; whoever else needs the frame, or destroys its
 * owner, takes it with {@link #takePartial} and undoes it.
 *
 * <h2>Ordering</h2>
 *
 * Every change is one compare-and-set (a full fence on x86) on one of two words; no operation needs
 * both at once. Whoever sees VALIDATED sees the table as its validator left it. A frame leaves an
 * owner in the order <i>last put, {@link #release}, allocator, {@link #assign}</i>, each ordered
 * after the one before, so a new owner's first reference cannot meet an old one. Counts do not
 * wrap: a reference that would overflow its 32 bits is refused like any other that cannot be had,
 * and a put too many is an {@link IllegalStateException}, a bug of the hypervisor's.
 *
 * <p>What a table of some type may contain, the table knows nothing of: that is the kernel's MMU.
 * Frame numbers are checked in every method; {@link #get} answers false to a number that no frame
 * has, the others throw {@link IndexOutOfBoundsException}. Thread-safe; no method allocates.
 */
public final class FrameTable implements AutoCloseable {
  /** The domain id that owns what nobody owns (DOMID_INVALID). */
  public static final int NOBODY = 0x7FF4;

  /** The domain id under which the hypervisor's own frames stand (DOMID_XEN). */
  public static final int HYPERVISOR = 0x7FF2;

  /** Frame type: not used as anything yet. */
  public static final int NONE = 0;

  /** Frame type: a page table; the constant is the level. */
  public static final int L1 = 1, L2 = 2, L3 = 3, L4 = 4;

  /** Frame type: a page of segment descriptors. */
  public static final int SEGDESC = 5;

  /** Frame type: writable by its owner, or by somebody to whom it was granted. */
  public static final int WRITABLE = 6;

  /** Result of {@link #takeType}: the reference is taken. */
  public static final int TAKEN = 0;

  /** Result of {@link #takeType}: taken and BUSY; the caller validates, then says how it went. */
  public static final int MUST_VALIDATE = 1;

  /**
   * Result of {@link #takeType}: not taken; the frame is in another use, BUSY, or referred to too
   * often.
   */
  public static final int REFUSED = -1;

  /**
   * Result of {@link #takeType}: taken and BUSY as for {@link #MUST_VALIDATE}, but the first {@link
   * #progress} entries hold their references already.
   */
  public static final int MUST_RESUME = 2;

  /** Result of {@link #putType}: others remain. */
  public static final int KEPT = 0;

  /** Result of {@link #putType}: it was the last; the frame may change its type. */
  public static final int LAST = 1;

  /**
   * Result of {@link #putType}: it was the last of a page table; the caller takes it apart, then
   * {@link #devalidated}.
   */
  public static final int MUST_DEVALIDATE = 2;

  /** The last reference that a count has room for is for {@link #park}, which cannot be refused. */
  private static final long GET_LIMIT = COUNT - 1;

  private static final int IN_USE =
      31; // value of the free field of frames that the allocator has handed out

  private final HostMemory host;
  private final MemorySegment table;
  private final LinearCounts linear;
  private final long frames;

  /**
   * Makes the table of a machine, with every frame free and clean. Costs host memory only for
   * entries that are touched.
   *
   * @param frames number of machine frames
   * @throws MachineMemoryException if the host refuses the memory
   */
  public FrameTable(long frames) {
    this.frames = frames;
    host = HostMemory.confidential("the frame table", frames << FrameTableLayout.ENTRY_SHIFT);
    table = host.segment();
    linear = new LinearCounts(table, frames);
  }

  /** The entries, for the allocator's part of them. */
  MemorySegment entries() {
    return table;
  }

  /** The counts of linear page-table entries. */
  public LinearCounts linear() {
    return linear;
  }

  /** Number of frames. */
  public long frames() {
    return frames;
  }

  /** Says whether a number from a stranger names a frame at all. */
  public boolean exists(long mfn) {
    return Long.compareUnsigned(mfn, frames) < 0;
  }

  // ---- owner and general references ----

  /**
   * Gives a frame that the allocator has handed out to its owner, with the allocation as its only
   * reference.
   *
   * @param domid the owner, 0 to 0x7FFF
   * @throws IllegalStateException if somebody has it
   */
  public void assign(long mfn, int domid) {
    assign(mfn, domid, 0);
  }

  /**
   * As {@link #assign}, for a frame that the hypervisor makes for a domain: shared info, grant
   * tables.
   */
  public void assignSpecial(long mfn, int domid) {
    assign(mfn, domid, SPECIAL);
  }

  private void assign(long mfn, int domid, long kind) {
    long use = use(mfn);
    if ((use & (COUNT | ALLOCATED)) != 0) {
      throw broken("assigned while in use", mfn);
    }
    LONG.setVolatile(table, at(mfn) + TYPE, 0L);
    INT.setVolatile(table, at(mfn) + LINEAR, 0);
    long owned = use & (FREE | DIRTY) | (long) (domid ^ NOBODY) << OWNER_SHIFT;
    if (!casUse(mfn, use, owned | ALLOCATED | kind | 1)) {
      throw broken("assigned twice", mfn);
    }
  }

  /**
   * The frame's owner, {@link #NOBODY} if it has none. May change at once unless the caller holds a
   * reference.
   */
  public int owner(long mfn) {
    return ownerOf(use(mfn));
  }

  /** Number of general references, the allocation included. */
  public long references(long mfn) {
    return use(mfn) & COUNT;
  }

  /** Says whether the owner has not yet given the frame back. */
  public boolean isAllocated(long mfn) {
    return (use(mfn) & ALLOCATED) != 0;
  }

  /**
   * Says whether the hypervisor made the frame for its owner; such a frame is always writable,
   * never a table.
   */
  public boolean isSpecial(long mfn) {
    return (use(mfn) & SPECIAL) != 0;
  }

  /**
   * Takes a general reference if a domain owns the frame.
   *
   * @param mfn any number at all
   * @return false if no such frame exists, if another or nobody owns it, or if it is referred to
   *     too often
   */
  public boolean get(long mfn, int domid) {
    if (!exists(mfn)) {
      return false;
    }
    while (true) {
      long use = use(mfn);
      long count = use & COUNT;
      if (count == 0 || count >= GET_LIMIT || ownerOf(use) != domid) {
        return false;
      }
      if (casUse(mfn, use, use + 1)) {
        return true;
      }
    }
  }

  /**
   * Puts a general reference.
   *
   * @return true if it was the last: the frame is the caller's to {@link #release} and to free
   */
  public boolean put(long mfn) {
    while (true) {
      long use = use(mfn);
      if ((use & COUNT) == 0) {
        throw broken("reference put that nobody took", mfn);
      }
      if (casUse(mfn, use, use - 1)) {
        return (use & COUNT) == 1;
      }
    }
  }

  /**
   * Marks a frame as given back by its owner.
   *
   * @return true once in the life of an allocation; the caller then owes the {@link #put} of the
   *     allocation's reference
   */
  public boolean dropAllocation(long mfn) {
    while (true) {
      long use = use(mfn);
      if ((use & ALLOCATED) == 0) {
        return false;
      }
      if (casUse(mfn, use, use & ~ALLOCATED)) {
        return true;
      }
    }
  }

  /**
   * Moves a frame to another owner, if nothing but its allocation refers to it and it is in no use.
   *
   * @return false, and nothing changed, if that is not so
   */
  public boolean changeOwner(long mfn, int from, int to) {
    long use = use(mfn);
    return (use & (COUNT | ALLOCATED | SPECIAL)) == (ALLOCATED | 1)
        && ownerOf(use) == from
        && typeCount(mfn) == 0
        && casUse(mfn, use, use & ~(0xFFFFL << OWNER_SHIFT) | (long) (to ^ NOBODY) << OWNER_SHIFT);
  }

  /**
   * Takes a frame from its owner after the last reference is gone. It is dirty from now on.
   *
   * @throws IllegalStateException if something still refers to it
   */
  public void release(long mfn) {
    long use = use(mfn);
    if ((use & (COUNT | ALLOCATED)) != 0 || typeCount(mfn) != 0) {
      throw broken("released while in use", mfn);
    }
    LONG.setVolatile(table, at(mfn) + TYPE, 0L);
    if (!casUse(mfn, use, use & FREE | DIRTY)) {
      throw broken("released while referred to", mfn);
    }
  }

  // ---- types ----

  /** The frame's present type, which means something only while {@link #typeCount} is not 0. */
  public int type(long mfn) {
    return (int) (typeWord(mfn) >>> TYPE_SHIFT);
  }

  /** Number of type references. */
  public long typeCount(long mfn) {
    return typeWord(mfn) & COUNT;
  }

  /** Says whether the frame's contents have been found good for its type. */
  public boolean isValidated(long mfn) {
    return (typeWord(mfn) & VALIDATED) != 0;
  }

  /**
   * Says whether the frame is, at this moment, a validated use of a type with at least one
   * reference.
   */
  public boolean isInUseAs(long mfn, int type) {
    long word = typeWord(mfn);
    return word >>> TYPE_SHIFT == type && (word & VALIDATED) != 0 && (word & COUNT) != 0;
  }

  /** Says whether the frame's owner pinned it in its type. */
  public boolean isPinned(long mfn) {
    return (typeWord(mfn) & PINNED) != 0;
  }

  /**
   * Takes a type reference. The caller holds a general reference.
   *
   * @param type {@link #L1} to {@link #WRITABLE}
   * @return {@link #TAKEN}, {@link #MUST_VALIDATE}, {@link #MUST_RESUME} or {@link #REFUSED}
   */
  public int takeType(long mfn, int type) {
    while (true) {
      long word = typeWord(mfn);
      long count = word & COUNT;
      boolean same = word >>> TYPE_SHIFT == type;
      if (count == 0 && type != WRITABLE && !(same && (word & VALIDATED) != 0)) {
        if (casType(mfn, word, (long) type << TYPE_SHIFT | BUSY | 1)) {
          return MUST_VALIDATE;
        }
      } else if (count == 0) {
        if (casType(mfn, word, (long) type << TYPE_SHIFT | VALIDATED | 1)) {
          return TAKEN;
        }
      } else if (!same || (word & BUSY) != 0 || count == COUNT) {
        return REFUSED;
      } else if ((word & PARTIAL) != 0) {
        if (casType(mfn, word, word ^ (PARTIAL | BUSY))) {
          putStates(mfn);
          return MUST_RESUME;
        }
      } else if (casType(mfn, word, word + 1)) {
        return TAKEN;
      }
    }
  }

  /**
   * Ends {@link #MUST_VALIDATE} well: the frame is of the type, with the caller's reference as the
   * first.
   */
  public void validated(long mfn) {
    leaveBusy(mfn, VALIDATED | 1);
  }

  /**
   * Ends {@link #MUST_VALIDATE} badly: the caller has no reference, and the frame may be used as
   * anything again.
   */
  public void validationFailed(long mfn) {
    leaveBusy(mfn, 0);
  }

  /** Ends {@link #MUST_DEVALIDATE}: the frame may be used as anything again. */
  public void devalidated(long mfn) {
    leaveBusy(mfn, 0);
  }

  /**
   * Leaves BUSY for PARTIAL. The caller's type reference becomes the state's, and the state takes a
   * general reference of its own.
   *
   * @param entries how many of the table's entries, from the first on, hold their references; 0 to
   *     512
   */
  public void park(long mfn, int entries) {
    long use = use(mfn);
    while ((use & COUNT) != COUNT && !casUse(mfn, use, use + 1)) {
      use = use(mfn);
    }
    leaveBusy(mfn, PARTIAL | (long) entries << PROGRESS_SHIFT | 1);
  }

  /**
   * Makes a PARTIAL frame BUSY, whatever its type, for a caller who undoes it, and who calls {@link
   * #devalidated} or {@link #park} in the end. The caller holds a general reference.
   *
   * @return false if it is not PARTIAL
   */
  public boolean takePartial(long mfn) {
    while (true) {
      long word = typeWord(mfn);
      if ((word & PARTIAL) == 0) {
        return false;
      }
      if (casType(mfn, word, word ^ (PARTIAL | BUSY))) {
        putStates(mfn);
        return true;
      }
    }
  }

  /** Puts the general reference of a PARTIAL state that has just been left; never the last one. */
  private void putStates(long mfn) {
    if (put(mfn)) {
      throw broken("partial state taken without a reference", mfn);
    }
  }

  /** Says whether the frame is partly validated and left so. */
  public boolean isPartial(long mfn) {
    return (typeWord(mfn) & PARTIAL) != 0;
  }

  /** How many entries of a PARTIAL frame, or of one BUSY after that, hold their references. */
  public int progress(long mfn) {
    return (int) ((typeWord(mfn) & PROGRESS) >>> PROGRESS_SHIFT);
  }

  private void leaveBusy(long mfn, long state) {
    long word = typeWord(mfn);
    if ((word & BUSY) == 0 || !casType(mfn, word, word & (0xFL << TYPE_SHIFT) | state)) {
      throw broken("not the validator's to change", mfn);
    }
  }

  /**
   * Puts a type reference.
   *
   * @return {@link #KEPT}, {@link #LAST} or {@link #MUST_DEVALIDATE}
   */
  public int putType(long mfn) {
    while (true) {
      long word = typeWord(mfn);
      long count = word & COUNT;
      int type = (int) (word >>> TYPE_SHIFT);
      if (count == 0 || (word & (BUSY | PARTIAL)) != 0) {
        throw broken("type reference put that nobody took", mfn);
      }
      if (count == 1 && type >= L1 && type <= L4) {
        if (casType(mfn, word, word & ~VALIDATED | BUSY)) {
          return MUST_DEVALIDATE;
        }
      } else if (casType(mfn, word, word - 1)) {
        return count == 1 ? LAST : KEPT;
      }
    }
  }

  /**
   * Forgets what a frame without type references was last used as, so that its contents are
   * validated before they are used as anything but data.
   *
   * @return false, and nothing changed, if it is in use
   */
  public boolean forgetType(long mfn) {
    while (true) {
      long word = typeWord(mfn);
      if ((word & COUNT) != 0) {
        return false;
      }
      if (casType(mfn, word, 0)) {
        return true;
      }
    }
  }

  /**
   * Marks a frame as pinned; false if it was. The caller holds the two references that the pin
   * keeps.
   */
  public boolean pin(long mfn) {
    while (true) {
      long word = typeWord(mfn);
      if ((word & PINNED) != 0) {
        return false;
      }
      if (casType(mfn, word, word | PINNED)) {
        return true;
      }
    }
  }

  /**
   * Takes the pin away; false if there was none. The caller then owes the puts of both references.
   */
  public boolean unpin(long mfn) {
    while (true) {
      long word = typeWord(mfn);
      if ((word & PINNED) == 0) {
        return false;
      }
      if (casType(mfn, word, word & ~PINNED)) {
        return true;
      }
    }
  }

  // ---- for the kernel's TLB protocol ----

  /** The stamp that {@link #setTlbStamp} left. */
  public int tlbStamp(long mfn) {
    return (int) INT.getVolatile(table, checked(mfn) + STAMP);
  }

  /**
   * Leaves a stamp of the kernel's TLB clock; means nothing here. Ordered before the put that
   * follows it.
   */
  public void setTlbStamp(long mfn, int stamp) {
    INT.setRelease(table, checked(mfn) + STAMP, stamp);
  }

  /** A frame's whole state in one line, for register dumps and messages. */
  public String describe(long mfn) {
    if (!exists(mfn)) {
      return "mfn=0x%x does not exist".formatted(mfn);
    }
    long word = typeWord(mfn);
    String type =
        new String[] {"none", "L1", "L2", "L3", "L4", "segdesc", "writable"}
            [(int) (word >>> TYPE_SHIFT)];
    return "mfn=0x%x owner=0x%x references=%d%s type=%s typeCount=%d%s%s%s%s linear=%d"
        .formatted(
            mfn,
            owner(mfn),
            references(mfn),
            isAllocated(mfn) ? "" : " (given back)",
            type,
            word & COUNT,
            (word & VALIDATED) != 0 ? " validated" : "",
            (word & PINNED) != 0 ? " pinned" : "",
            (word & BUSY) != 0 ? " busy" : "",
            (word & PARTIAL) != 0 ? " partial, entries held=" + progress(mfn) : "",
            linear.count(mfn));
  }

  @Override
  public void close() {
    host.close();
  }

  private long checked(long mfn) {
    if (!exists(mfn)) {
      throw new IndexOutOfBoundsException("no such frame: mfn=" + mfn + " frames=" + frames);
    }
    return at(mfn);
  }

  private long use(long mfn) {
    return (long) LONG.getVolatile(table, checked(mfn) + USE);
  }

  private boolean casUse(long mfn, long expected, long value) {
    return LONG.compareAndSet(table, at(mfn) + USE, expected, value);
  }

  private long typeWord(long mfn) {
    return (long) LONG.getVolatile(table, checked(mfn) + TYPE);
  }

  private boolean casType(long mfn, long expected, long value) {
    return LONG.compareAndSet(table, at(mfn) + TYPE, expected, value);
  }

  private static int ownerOf(long use) {
    return (int) (use >>> OWNER_SHIFT) ^ NOBODY;
  }

  private IllegalStateException broken(String what, long mfn) {
    return new IllegalStateException(what + ": " + describe(mfn));
  }
}

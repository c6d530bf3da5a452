package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.mmu.FrameReferences;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The grant table of one domain, as the granting side has it: entries that the guest writes, and
 * for each entry in use a count of users (xen-pv-abi.md, section 12). The mapping side is {@link
 * GrantMappings}.
 *
 * <h2>Pins</h2>
 *
 * <p>Every use of a grant (a mapping's host part, its device part, a copy while it lasts, a window)
 * is a <em>pin</em>, for reading or for writing. The first pin reads domid, permission and frame
 * out of the guest's entry and keeps them in an {@link ActiveGrant}: from then on the guest can
 * write what it likes into the entry without changing or ending what is in use. Flags are claimed
 * by compare-and-set against the very word that was checked. A first writable pin on a grant that
 * is pinned for reading claims again, since only then write permission matters. The flag
 * <em>writing</em> is cleared with the last writable pin, <em>reading</em> with the last of all; a
 * guest that sees them clear may use its frame for something else.
 *
 * <h2>References</h2>
 *
 * <p>A pin does not keep the frame. Whoever pins also takes a reference with {@link #getFrame} and
 * gives it back before it unpins: general for reading, writable for writing, so that a frame
 * granted for writing cannot become a page table meanwhile.
 *
 * <h2>Threads and locks</h2>
 *
 * <p>Each active grant has its own monitor, held for one pin or unpin; two are taken by {@link
 * #swap} only, the lower reference first. Growing the table takes this object's monitor, outside
 * the others. Nothing else is locked inside them.
 *
 * <h2>Death</h2>
 *
 * <p>{@link #teardown} refuses new pins, waits for those who are inside a monitor, and then gives
 * the shared frames back. Existing pins go on: their users hold references on the granted frames,
 * and unpin this object, which outlives its domain as long as anybody has something of it mapped.
 */
public final class GrantTable {
  /** Most frames of a table. */
  public static final int MAX_FRAMES = SharedEntries.MAX_FRAMES;

  private static final int CHUNK = GrantEntryLayout.PER_FRAME;

  private final int domid;
  private final GrantMachine machine;
  private final FrameReferences references;
  private final SharedEntries entries;

  /** Active grants by reference, in chunks that are made when first needed. */
  private final AtomicReferenceArray<AtomicReferenceArray<ActiveGrant>> active =
      new AtomicReferenceArray<>(MAX_FRAMES);

  private final GrantMappings mappings;
  private final Optional<GrantTable> itself = Optional.of(this);
  private volatile boolean dying;

  /** Makes a table without frames; the first is allocated when somebody asks for it. */
  public GrantTable(int domid, GrantMachine machine) {
    this.domid = domid;
    this.machine = machine;
    references = machine.frameReferences();
    entries = new SharedEntries(machine.memory());
    mappings = new GrantMappings(domid, machine);
  }

  /** The id of the domain that grants. */
  public int domid() {
    return domid;
  }

  /** What the domain has mapped of others' grants, if it is a guest. */
  GrantMappings mappings() {
    return mappings;
  }

  GrantMachine machine() {
    return machine;
  }

  /** The table of a domain that this one names; DOMID_SELF is this one. */
  Optional<GrantTable> other(int otherDomid) {
    return otherDomid == Domid.SELF || otherDomid == domid ? itself : machine.grants(otherDomid);
  }

  /** Says whether a domain may set up and query this table. */
  boolean controlledBy(int callerDomid) {
    return callerDomid == domid || machine.mayControl(callerDomid, domid);
  }

  // ---- the table ----

  /**
   * Makes the table at least so many frames long.
   *
   * @return false if that is more than {@link #MAX_FRAMES}, or memory ran out, or the domain is
   *     going
   */
  public synchronized boolean grow(int frames) {
    if (frames < 0 || frames > MAX_FRAMES || dying) {
      return false;
    }
    while (entries.frames() < frames) {
      long mfn = machine.allocateSpecial(domid);
      if (mfn < 0) {
        return false;
      }
      entries.add(mfn);
    }
    return true;
  }

  /** How many frames the table has. */
  public int frames() {
    return entries.frames();
  }

  /** The machine frame of a part of the table, below {@link #frames}. */
  public long frame(int index) {
    return entries.frame(index);
  }

  /**
   * Enters a grant on the domain's behalf, as the toolstack does for the rings before the guest
   * runs.
   *
   * @return 0, −EINVAL if the reference is out of range, or −ENOMEM if there is no memory for the
   *     table
   */
  public synchronized int seed(int ref, int grantee, long mfn) {
    if (!grow(1)) {
      return -Errno.ENOMEM;
    }
    if (!entries.has(ref)) {
      return -Errno.EINVAL;
    }
    entries.permit(ref, grantee, mfn);
    return 0;
  }

  /** Exchanges two entries; returns a grant status. */
  int swap(int refA, int refB) {
    if (!entries.has(refA) || !entries.has(refB)) {
      return GrantStatus.BAD_GNTREF;
    }
    if (refA == refB) {
      return GrantStatus.OKAY;
    }
    ActiveGrant first = activeGrant(Math.min(refA, refB));
    ActiveGrant second = activeGrant(Math.max(refA, refB));
    synchronized (first) {
      synchronized (second) {
        if (dying || first.inUse() || second.inUse()) {
          return GrantStatus.EAGAIN;
        }
        entries.swap(refA, refB);
        return GrantStatus.OKAY;
      }
    }
  }

  // ---- pins ----

  /**
   * Begins a use of a grant. On success {@link #pinnedFrame} is the frame, which the caller has yet
   * to reference.
   *
   * @return a grant status
   */
  int pin(int ref, int grantee, boolean writable) {
    if (!entries.has(ref)) {
      return GrantStatus.BAD_GNTREF;
    }
    ActiveGrant grant = activeGrant(ref);
    synchronized (grant) {
      if (dying) {
        return GrantStatus.BAD_DOMAIN;
      }
      boolean first = !grant.inUse();
      if (!first && grant.grantee != grantee) {
        return GrantStatus.GENERAL_ERROR;
      }
      if (first || writable && grant.writers == 0) {
        int status = entries.claim(ref, grantee, writable);
        if (status != GrantStatus.OKAY) {
          return status;
        }
      }
      if (first) {
        grant.grantee = grantee;
        grant.mfn = entries.granted(ref);
      }
      if (writable) {
        grant.writers++;
      } else {
        grant.readers++;
      }
      return GrantStatus.OKAY;
    }
  }

  /** Ends one use of a grant. */
  void unpin(int ref, boolean writable) {
    ActiveGrant grant = activeGrant(ref);
    synchronized (grant) {
      int clear = 0;
      if (writable) {
        grant.writers--;
        clear = grant.writers == 0 ? GrantEntryLayout.WRITING : 0;
      } else {
        grant.readers--;
      }
      if (!grant.inUse()) {
        clear |= GrantEntryLayout.READING;
      }
      if (clear != 0 && !dying) {
        entries.clear(ref, clear);
      }
    }
  }

  /** The frame of a grant that the caller has pinned. */
  long pinnedFrame(int ref) {
    ActiveGrant grant = activeGrant(ref);
    synchronized (grant) {
      return grant.mfn;
    }
  }

  /** Takes a reference on a granted frame: it must be the granting domain's own. */
  boolean getFrame(long mfn, boolean writable) {
    return writable ? references.getWritable(domid, mfn) : references.get(domid, mfn);
  }

  /** Gives back what {@link #getFrame} took. */
  void putFrame(long mfn, boolean writable) {
    if (writable) {
      references.putWritable(mfn);
    } else {
      references.put(mfn);
    }
  }

  /**
   * Pins a grant and references its frame.
   *
   * @return a grant status
   */
  int acquire(int ref, int grantee, boolean writable) {
    int status = pin(ref, grantee, writable);
    if (status == GrantStatus.OKAY && !getFrame(pinnedFrame(ref), writable)) {
      unpin(ref, writable);
      return GrantStatus.BAD_PAGE;
    }
    return status;
  }

  /** Takes {@link #acquire} back. */
  void release(int ref, long mfn, boolean writable) {
    putFrame(mfn, writable);
    unpin(ref, writable);
  }

  ActiveGrant activeGrant(int ref) {
    AtomicReferenceArray<ActiveGrant> chunk = active.get(ref / CHUNK);
    if (chunk == null) {
      active.compareAndSet(ref / CHUNK, null, new AtomicReferenceArray<>(CHUNK));
      chunk = active.get(ref / CHUNK);
    }
    ActiveGrant grant = chunk.get(ref % CHUNK);
    if (grant == null) {
      chunk.compareAndSet(ref % CHUNK, null, new ActiveGrant());
      grant = chunk.get(ref % CHUNK);
    }
    return grant;
  }

  // ---- death ----

  /**
   * Ends the domain in both roles, when none of its vCPUs runs any more and before its page tables
   * are taken apart. No new pins are given and the table's frames go back; what others have mapped
   * stays theirs until they unmap it. What the domain itself has mapped is unpinned.
   */
  public void teardown() {
    mappings.teardown();
    synchronized (this) {
      dying = true;
      for (int chunk = 0; chunk < active.length(); chunk++) {
        if (active.get(chunk) != null) {
          awaitInside(active.get(chunk));
        }
      }
      for (long mfn : entries.removeAll()) {
        machine.freeSpecial(mfn);
      }
    }
  }

  private static void awaitInside(AtomicReferenceArray<ActiveGrant> chunk) {
    for (int i = 0; i < chunk.length(); i++) {
      ActiveGrant grant = chunk.get(i);
      if (grant != null) {
        synchronized (grant) {
          // Whoever comes after this sees that the domain is dying.
        }
      }
    }
  }
}

package dev.domus.kernel.servicedomain;

import static dev.domus.kernel.abi.GrantEntryLayout.*;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.GrantedPage;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.memory.Window;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * A service domain's own grant table, from its side: entries of version 1 in frames that it sees at
 * guest frame numbers of its own (xen-pv-abi.md, 12.1). It does what a guest's kernel does: the
 * frame first, then flags and domain in one store; the end by compare-and-set, and only if nobody
 * uses the entry.
 *
 * <p>The first {@value dev.domus.kernel.abi.GrantEntryLayout#RESERVED} references are left to the
 * toolstack, as everywhere. Which are free is guarded by this object's monitor; entries themselves
 * are each their holder's.
 */
final class OwnGrantTable implements OwnGrants {
  private static final long FIRST_GFN = DomainMemory.END;
  private static final int MAX_FRAMES = 64;

  private final GrantCalls calls;
  private final DomainMemory memory;
  private final int domid;
  private final List<Window> frames = new ArrayList<>();
  private final ArrayDeque<Integer> free = new ArrayDeque<>();
  private int next = RESERVED;

  OwnGrantTable(int domid, GrantCalls calls, DomainMemory memory) {
    this.domid = domid;
    this.calls = calls;
    this.memory = memory;
  }

  @Override
  public GrantedPage permit(int grantee, long gfn, boolean writable) {
    return new Entry(grantee, gfn, PERMIT_ACCESS | (writable ? 0 : READONLY));
  }

  @Override
  public ExpectedPage accept(int giver, long gfn) {
    return new Expected(new Entry(giver, gfn, ACCEPT_TRANSFER));
  }

  @Override
  public void transfer(long gfn, int receiver, int ref) {
    calls.transfer(gfn, receiver, ref);
  }

  private synchronized int take() {
    if (!free.isEmpty()) {
      return free.pop();
    }
    if (next == MAX_FRAMES * PER_FRAME) {
      throw new HypercallException(
          Errno.ENOSPC, "domain %d has %d grants in force, which is all".formatted(domid, MAX));
    }
    int index = next / PER_FRAME;
    while (frames.size() <= index) {
      long gfn = FIRST_GFN + frames.size();
      memory.mapGrantTable(frames.size(), gfn);
      frames.add(memory.window(gfn, 1, true));
    }
    return next++;
  }

  private synchronized void giveBack(int ref) {
    free.push(ref);
  }

  private synchronized Window frame(int ref) {
    return frames.get(ref / PER_FRAME);
  }

  /** One entry, until it is ended. */
  private final class Entry implements GrantedPage {
    private final int ref;
    private final Window table;
    private final int at;
    private boolean over;

    Entry(int other, long gfn, int flags) {
      if (gfn < 0 || gfn >>> Integer.SIZE != 0) {
        throw new HypercallException(Errno.EINVAL, "no guest frame number: gfn=" + gfn);
      }
      int checked = Callers.domid(other);
      ref = take();
      table = frame(ref);
      at = ref % PER_FRAME * SIZE;
      table.putInt(at + FRAME, (int) gfn);
      table.putIntRelease(at + FLAGS_AND_DOMID, flags | checked << 16);
    }

    int flags() {
      return table.getIntAcquire(at + FLAGS_AND_DOMID) & 0xFFFF;
    }

    @Override
    public int ref() {
      return ref;
    }

    @Override
    public synchronized boolean inUse() {
      return !over && (flags() & (READING | WRITING)) != 0;
    }

    @Override
    public boolean end() {
      return end(READING | WRITING, 0);
    }

    /** Ends it unless a flag of some says no and none of others says that it does not matter. */
    synchronized boolean end(int busy, int done) {
      while (!over) {
        int word = table.getIntAcquire(at + FLAGS_AND_DOMID);
        if ((word & busy) != 0 && (word & done) == 0) {
          return false;
        }
        if (table.compareAndSetInt(at + FLAGS_AND_DOMID, word, 0)) {
          over = true;
          giveBack(ref);
        }
      }
      return true;
    }

    @Override
    public void close() {
      if (!end()) {
        throw new HypercallException(
            Errno.EBUSY, "grant %d of domain %d is in use".formatted(ref, domid));
      }
    }
  }

  private record Expected(Entry entry) implements ExpectedPage {
    @Override
    public int ref() {
      return entry.ref();
    }

    @Override
    public boolean arrived() {
      return (entry.flags() & COMPLETED) != 0;
    }

    @Override
    public void close() {
      if (!entry.end(COMMITTED, COMPLETED)) {
        throw new HypercallException(Errno.EBUSY, "a page is coming to grant " + entry.ref());
      }
    }
  }
}

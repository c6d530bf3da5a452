package dev.domus.kernel.servicedomain;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.Window;
import dev.domus.memory.p2m.P2mEntry;

/**
 * memory_op of a service domain (structures: {@code dev.domus.kernel.memory}), and its windows on
 * its own memory, which no hypercall makes: a guest has page tables for that.
 */
final class MemoryCalls implements DomainMemory {
  private static final int DECREASE_RESERVATION = 1, CURRENT_RESERVATION = 3;
  private static final int MAXIMUM_RESERVATION = 4, POPULATE_PHYSMAP = 6, ADD_TO_PHYSMAP = 7;
  private static final int MAXIMUM_GPFN = 14, REMOVE_FROM_PHYSMAP = 15;
  private static final int SHARED_INFO = 0, GRANT_TABLE = 1, GMFN = 2;

  /** Offsets in xen_memory_reservation; the list of extents follows it here. */
  private static final int EXTENTS = 0, COUNT = 8, ORDER = 16, FLAGS = 20, DOMID = 24, LIST = 32;

  private static final int CHUNK = (Caller.BYTES - LIST) / Long.BYTES;
  private static final int LARGE = P2mEntry.ORDER_2M;

  private final Callers callers;

  MemoryCalls(Callers callers) {
    this.callers = callers;
  }

  // ---- reservations ----

  @Override
  public void populate(long gfn, long count) {
    long end = end(gfn, count);
    long done = gfn;
    while (done < end) {
      int order = order(done, end);
      long extents = extents(done, end, order);
      long made = reservation(POPULATE_PHYSMAP, done, extents, order);
      done += made << order;
      if (made < extents && order != 0) {
        long rest = Math.min(1L << order, end - done); // there may be memory, but not in one piece
        made = reservation(POPULATE_PHYSMAP, done, rest, 0);
        done += made;
        extents = rest;
      }
      if (made < extents) {
        undo(gfn, done);
        throw callers.refused(
            -Errno.ENOMEM,
            "populate its guest frame 0x%x: first=0x%x count=%d".formatted(done, gfn, count));
      }
    }
  }

  private void undo(long gfn, long end) {
    if (end > gfn) {
      giveBack(gfn, end - gfn);
    }
  }

  @Override
  public void giveBack(long gfn, long count) {
    long end = end(gfn, count);
    for (long done = gfn; done < end; ) {
      long extents = extents(done, end, 0);
      long gone = reservation(DECREASE_RESERVATION, done, extents, 0);
      done += gone;
      if (gone < extents) {
        throw callers.refused(
            -Errno.EINVAL,
            "give back guest frame 0x%x, which is no page of its own".formatted(done));
      }
    }
  }

  private long end(long gfn, long count) {
    if (gfn < 0 || count < 0 || gfn > Long.MAX_VALUE - count) {
      throw callers.refused(
          -Errno.EINVAL, "use such guest frames: first=0x%x count=%d".formatted(gfn, count));
    }
    return gfn + count;
  }

  private static int order(long gfn, long end) {
    boolean large = (gfn & (1L << LARGE) - 1) == 0 && end - gfn >= 1L << LARGE;
    return large ? LARGE : 0;
  }

  /** How many blocks of an order to do next: to the next large one, or as many as fit a call. */
  private static long extents(long gfn, long end, int order) {
    long upTo = order != 0 ? end : Math.min(end, (gfn >>> LARGE) + 1 << LARGE);
    return Math.min(CHUNK, upTo - gfn >>> order);
  }

  private long reservation(int command, long gfn, long extents, int order) {
    try (Caller call = callers.enter()) {
      call.putLong(EXTENTS, Caller.at(LIST)).putLong(COUNT, extents);
      call.putInt(ORDER, order).putInt(FLAGS, 0).putShort(DOMID, Domid.SELF);
      for (int i = 0; i < extents; i++) {
        call.putLong(LIST + i * Long.BYTES, gfn + ((long) i << order));
      }
      return call.call(HypercallNumber.MEMORY_OP, command, Caller.at(0), 0);
    }
  }

  // ---- questions ----

  @Override
  public long pages(int domid) {
    return ask(CURRENT_RESERVATION, domid);
  }

  @Override
  public long maxPages(int domid) {
    return ask(MAXIMUM_RESERVATION, domid);
  }

  @Override
  public long highest(int domid) {
    return ask(MAXIMUM_GPFN, domid);
  }

  private long ask(int command, int domid) {
    try (Caller call = callers.enter()) {
      call.putShort(0, Callers.domid(domid));
      long answer = call.call(HypercallNumber.MEMORY_OP, command, Caller.at(0), 0);
      if (answer < 0) {
        throw callers.refused(answer, "ask about the memory of domain " + domid);
      }
      return answer;
    }
  }

  // ---- the map ----

  @Override
  public void mapSharedInfo(long gfn) {
    add(SHARED_INFO, 0, gfn, "its shared info");
  }

  @Override
  public void mapGrantTable(int index, long gfn) {
    add(GRANT_TABLE, index, gfn, "frame " + index + " of its grant table");
  }

  @Override
  public void move(long from, long to) {
    add(GMFN, from, to, "its page 0x%x".formatted(from));
  }

  private void add(int space, long index, long gfn, String what) {
    try (Caller call = callers.enter()) {
      call.putShort(0, Domid.SELF).putShort(2, 0).putInt(4, space);
      call.putLong(8, index).putLong(16, gfn);
      long result = call.call(HypercallNumber.MEMORY_OP, ADD_TO_PHYSMAP, Caller.at(0), 0);
      if (result != 0) {
        throw callers.refused(result, "have %s at guest frame 0x%x".formatted(what, gfn));
      }
    }
  }

  @Override
  public void unmapShared(long gfn) {
    try (Caller call = callers.enter()) {
      call.putShort(0, Domid.SELF).putLong(8, gfn);
      long result = call.call(HypercallNumber.MEMORY_OP, REMOVE_FROM_PHYSMAP, Caller.at(0), 0);
      if (result != 0) {
        throw callers.refused(result, "take guest frame 0x%x away".formatted(gfn));
      }
    }
  }

  @Override
  public Window window(long gfn, int pages, boolean writable) {
    try (Caller _ = callers.enter()) { // no window is opened while the domain is taken apart
      return callers
          .domain()
          .physmap()
          .orElseThrow()
          .window(gfn, pages, writable)
          .orElseThrow(() ->
              new HypercallException(
                  Errno.EINVAL,
                  "not all of it is memory of domain %d: gfn=0x%x pages=%d writable=%b"
                      .formatted(callers.domid(), gfn, pages, writable)));
    }
  }
}

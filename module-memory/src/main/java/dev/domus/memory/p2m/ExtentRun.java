package dev.domus.memory.p2m;

/** Joins pieces that continue each other before it tells of them. */
final class ExtentRun {
  private final P2mExtents visitor;
  private long first;
  private long count;
  private long entry;

  ExtentRun(P2mExtents visitor) {
    this.visitor = visitor;
  }

  /** Adds a piece, at a guest frame above those before it, by its stored entry. */
  void add(long gfn, long pages, long stored) {
    if (count > 0 && gfn == first + count && stored == P2mEntry.at(entry, count)) {
      count += pages;
      return;
    }
    end();
    first = gfn;
    count = pages;
    entry = stored;
  }

  /** Tells of what has been added. */
  void end() {
    if (count > 0 && !P2mEntry.is(entry, P2mType.NONE)) {
      visitor.extent(first, count, P2mEntry.type(entry), P2mEntry.mfn(entry));
    }
    count = 0;
  }
}

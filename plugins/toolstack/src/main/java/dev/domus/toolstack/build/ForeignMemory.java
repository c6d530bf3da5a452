package dev.domus.toolstack.build;

import dev.domus.kernel.control.Control;
import dev.domus.memory.Window;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A domain's memory as its builder writes it. Nothing is kept mapped: each write opens windows of
 * bounded size and closes them, so a domain that is destroyed halfway leaves none behind.
 */
final class ForeignMemory {
  /** Pages a window: 16 MiB, so that even a large image takes few. */
  private static final int WINDOW_PAGES = 4096;

  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final Control control;
  private final int domid;

  ForeignMemory(Control control, int domid) {
    this.control = control;
    this.domid = domid;
  }

  /** Copies bytes to a guest-physical address. */
  void write(long gpa, MemorySegment source) {
    long size = source.byteSize();
    for (long done = 0; done < size; ) {
      long at = gpa + done;
      long firstPfn = at >>> PageRange.PAGE_SHIFT;
      int inPage = (int) at & (PageRange.PAGE_SIZE - 1);
      int pages = (int) Math.min(WINDOW_PAGES, PageRange.pagesFor(inPage + size - done));
      long part = Math.min(size - done, (long) pages * PageRange.PAGE_SIZE - inPage);
      try (Window window = control.mapForeign(domid, firstPfn, pages, true)) {
        window.write(inPage, source, done, part);
      }
      done += part;
    }
  }

  /** Fills a page with 64-bit numbers from its start. */
  void write(long pfn, long[] entries) {
    MemorySegment page = MemorySegment.ofArray(new byte[entries.length * Long.BYTES]);
    for (int i = 0; i < entries.length; i++) {
      page.setAtIndex(U64, i, entries[i]);
    }
    write(pfn << PageRange.PAGE_SHIFT, page);
  }

  /** The machine frame behind a guest frame. */
  long mfn(long pfn) {
    return control.mfn(domid, pfn);
  }
}

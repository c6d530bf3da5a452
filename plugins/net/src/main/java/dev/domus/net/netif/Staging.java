package dev.domus.net.netif;

import dev.domus.kernel.service.CopyBatch;
import dev.domus.memory.Window;
import java.util.function.Consumer;

/**
 * Pages of the service domain's own through which packets pass on their way out of guests' pages
 * and into them: grant copies go between a guest's page and one of the domain's, many to a
 * hypercall. One for each worker, and in nobody's hands beyond a batch, so that what the backend
 * holds of memory does not grow with guests.
 *
 * <p>Not thread-safe.
 */
public final class Staging {
  /** How many pages there are. */
  public static final int PAGES = 64;

  private static final int BYTES = PAGES * NetifLayout.PAGE;
  private static final int COPIES = 256;

  private final Window window;
  private final long gfn;
  private final Consumer<CopyBatch> copier;
  private final CopyBatch batch = new CopyBatch(COPIES);
  private int used;

  /**
   * Makes a staging area.
   *
   * @param window {@value #PAGES} pages
   * @param gfn number of the first of them
   * @param copier makes copies
   */
  public Staging(Window window, long gfn, Consumer<CopyBatch> copier) {
    this.window = window;
    this.gfn = gfn;
    this.copier = copier;
  }

  void clear() {
    used = 0;
    batch.clear();
  }

  /** Whether a packet of so many bytes and slots finds room. */
  boolean hasRoom(int bytes, int slots) {
    return pageUp(used) + pageUp(bytes) <= BYTES && batch.room() >= 2 * slots;
  }

  private static int pageUp(int offset) {
    return offset + NetifLayout.PAGE - 1 & -NetifLayout.PAGE;
  }

  /** Where the next packet goes: at a page's start if it would cross into the next one. */
  int begin(int bytes) {
    if ((used & NetifLayout.PAGE - 1) + bytes > NetifLayout.PAGE) {
      used = pageUp(used);
    }
    return used;
  }

  /** How many copies have been added. */
  int copies() {
    return batch.size();
  }

  /** Adds bytes of a guest's page to what {@link #begin} has begun. */
  void in(int domid, int ref, int offset, int length) {
    for (int done = 0; done < length; ) {
      int place = used & NetifLayout.PAGE - 1;
      int part = Math.min(length - done, NetifLayout.PAGE - place);
      batch.addInward(domid, ref, offset + done, gfn + used / NetifLayout.PAGE, place, part);
      used += part;
      done += part;
    }
  }

  /** Adds a packet that goes to guests' pages, at a page's start; {@link #out} names those. */
  void write(byte[] data, int length) {
    used = pageUp(used);
    window.write(used, data, 0, length);
  }

  /** The next page of a packet goes to a guest's. */
  void out(int domid, int ref, int length) {
    batch.addOutward(gfn + used / NetifLayout.PAGE, 0, domid, ref, 0, length);
    used += length;
  }

  /** Makes all copies. */
  public void run() {
    if (batch.size() > 0) {
      copier.accept(batch);
    }
  }

  /** Whether some copies were made. */
  boolean succeeded(int from, int end) {
    for (int i = from; i < end; i++) {
      if (batch.status(i) != 0) {
        return false;
      }
    }
    return true;
  }

  /** Reads what has been copied in. */
  void read(int offset, byte[] target, int length) {
    window.read(offset, target, 0, length);
  }
}

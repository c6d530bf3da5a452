package dev.domus.nvme;

import dev.domus.iommu.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Physical region pages (4.3): where in memory the data of a command are. One a worker, used for
 * one command after the other without allocating.
 *
 * <pre>
 *   PRP 1 --> first page, from an offset        PRP 2 --> second page, if there are two
 *                                                     or list of pages
 *   list:  | page | page | ... | page or, if more remain and this is the last entry of the list's page,
 *                                 the next list |
 * </pre>
 *
 * <p><b>An end to it.</b> Each entry but a link is a page of the data, of which there are {@value
 * #MAX_PAGES} at most; a page has room for more than that, so there is at most one link, out of a
 * list that begins near the end of its page. A list that leads back to itself is thus nothing
 * special.
 */
final class Prps {
  /** Most bytes of a command: 2^6 pages, MDTS. */
  static final int MAX_BYTES = RegisterLayout.PAGE << 6;

  private static final int PAGE = RegisterLayout.PAGE;
  private static final int MAX_PAGES = MAX_BYTES / PAGE + 1;
  private static final ValueLayout.OfLong ENTRY =
      ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final DmaPort dma;
  private final MemorySegment list = Arena.ofAuto().allocate(PAGE, Long.BYTES);
  private final long[] addresses = new long[MAX_PAGES];
  private final int[] lengths = new int[MAX_PAGES];
  private int count;

  Prps(DmaPort dma) {
    this.dma = dma;
  }

  /**
   * Follows the entries of a command.
   *
   * @param bytes of data, 1 to {@link #MAX_BYTES}
   * @return a status
   */
  int follow(long prp1, long prp2, int bytes) {
    count = 0;
    if ((prp1 & 3) != 0) {
      return Status.PRP_OFFSET_INVALID;
    }
    int first = (int) Math.min(bytes, PAGE - (prp1 & PAGE - 1));
    add(prp1, first);
    int left = bytes - first;
    if (left == 0) {
      return Status.SUCCESS;
    }
    if (left <= PAGE) {
      if (hasOffset(prp2)) {
        return Status.PRP_OFFSET_INVALID;
      }
      add(prp2, left);
      return Status.SUCCESS;
    }
    if ((prp2 & Long.BYTES - 1) != 0) {
      return Status.PRP_OFFSET_INVALID;
    }
    return followList(prp2, left);
  }

  private int followList(long at, int bytes) {
    int left = bytes;
    while (true) {
      int room = (int) (PAGE - (at & PAGE - 1)) / Long.BYTES;
      int pages = (left + PAGE - 1) / PAGE;
      boolean linked = pages > room;
      int entries = Math.min(pages, room);
      if (dma.read(at, list, 0, (long) entries * Long.BYTES) != DmaPort.OK) {
        return Status.DATA_TRANSFER_ERROR;
      }
      for (int i = 0; i < entries; i++) {
        long entry = list.getAtIndex(ENTRY, i);
        if (hasOffset(entry)) {
          return Status.PRP_OFFSET_INVALID;
        }
        if (linked && i == entries - 1) {
          at = entry;
        } else {
          int length = Math.min(left, PAGE);
          add(entry, length);
          left -= length;
        }
      }
      if (!linked) {
        return Status.SUCCESS;
      }
    }
  }

  private static boolean hasOffset(long entry) {
    return (entry & PAGE - 1) != 0;
  }

  /** Adjacent pages are one piece: the port then looks at fewer of them. */
  private void add(long address, int length) {
    int last = count - 1;
    if (last >= 0 && addresses[last] + lengths[last] == address) {
      lengths[last] += length;
    } else {
      addresses[count] = address;
      lengths[count] = length;
      count++;
    }
  }

  /** Data to memory; a status. */
  int write(MemorySegment from) {
    long at = 0;
    for (int i = 0; i < count; i++) {
      if (dma.write(addresses[i], from, at, lengths[i]) != DmaPort.OK) {
        return Status.DATA_TRANSFER_ERROR;
      }
      at += lengths[i];
    }
    return Status.SUCCESS;
  }

  /** Data from memory; a status. */
  int read(MemorySegment into) {
    long at = 0;
    for (int i = 0; i < count; i++) {
      if (dma.read(addresses[i], into, at, lengths[i]) != DmaPort.OK) {
        return Status.DATA_TRANSFER_ERROR;
      }
      at += lengths[i];
    }
    return Status.SUCCESS;
  }
}

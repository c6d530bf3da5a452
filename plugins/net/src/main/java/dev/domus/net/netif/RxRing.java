package dev.domus.net.netif;

import static dev.domus.net.netif.NetifLayout.*;

import dev.domus.memory.Window;
import dev.domus.net.packet.Packet;
import java.lang.invoke.VarHandle;

/**
 * What a guest is given: the backend's end of one receive ring. The guest posts pages; a packet
 * takes as many of them as it fills, and a slot more for each thing that is said beside (how it is
 * to be cut, its hash). Packets are added to a batch ({@link #add}) as long as pages are there,
 * copied by one hypercall, and announced in order ({@link #respond}).
 *
 * <p>A page that cannot be written makes its slot an error; the guest drops that packet. Not
 * thread-safe, allocates nothing.
 */
public final class RxRing {
  private final Window page;
  private final int domid;
  private int cons;
  private int rspProd;

  // The slots of the batch.
  private final short[] ids = new short[RING];
  private final short[] flags = new short[RING];
  private final short[] statuses = new short[RING];
  private final long[] extras = new long[RING];
  private final int[] copies = new int[RING];
  private int slots;

  /** Takes a ring over where its last user has left it. */
  public RxRing(Window page, int domid) {
    this.page = page;
    this.domid = domid;
    rspProd = page.getIntAcquire(RSP_PROD);
    cons = rspProd;
  }

  /** How many pages a packet of a length takes. */
  static int pages(int length) {
    return (length + PAGE - 1) / PAGE;
  }

  private int posted() throws BadRingException {
    int posted = page.getIntAcquire(REQ_PROD) - cons;
    if (posted < 0 || posted > RING - slots) {
      throw new BadRingException(
          "its receive ring has more requests than slots: req_prod - consumed=" + posted);
    }
    return posted;
  }

  /** Begins a batch. */
  public void begin(Staging staging) {
    slots = 0;
    staging.clear();
  }

  /** How many slots of the ring a packet takes. */
  public static int slotsFor(int length, boolean isSegment, boolean hasHash) {
    return pages(length) + (isSegment ? 1 : 0) + (hasHash ? 1 : 0);
  }

  /**
   * Whether the guest has posted enough for a packet; else it will tell when it has.
   *
   * @param needed slots, at most {@link NetifLayout#MAX_SLOTS} and two
   */
  public boolean hasPages(int needed) throws BadRingException {
    if (posted() >= needed) {
      return true;
    }
    page.putIntRelease(REQ_EVENT, cons + needed);
    VarHandle.fullFence();
    return posted() >= needed;
  }

  /**
   * Adds a packet, for which there are pages.
   *
   * @param hash its hash, if the guest wants to be told ({@code hashType} not negative)
   */
  public void add(Packet packet, Staging staging, int hashType, int hash) {
    int first = slots;
    boolean segment = packet.gsoSize != 0;
    staging.write(packet.data, packet.length);
    int left = packet.length;
    do {
      int part = Math.min(left, PAGE);
      int at = SLOTS + (cons & RING - 1) * RX_SLOT;
      int ref = page.getInt(at + RX_REF);
      copies[slots] = staging.copies();
      staging.out(domid, ref, part);
      left -= part;
      take(page.getShort(at + RX_ID), left > 0 ? RX_MORE_DATA : 0, part);
      if (slots == first + 1) {
        flags[first] |= (short) firstFlags(packet, segment || hashType >= 0);
        if (segment) {
          takeExtra(
              EXTRA_GSO | (hashType >= 0 ? EXTRA_MORE << 8 : 0),
              packet.gsoSize | (long) packet.gsoType << 16);
        }
        if (hashType >= 0) {
          takeExtra(
              EXTRA_HASH, hashType | HashSteering.TOEPLITZ << 8 | (hash & 0xFFFF_FFFFL) << 16);
        }
      }
    } while (left > 0);
  }

  private static int firstFlags(Packet packet, boolean hasExtra) {
    return (hasExtra ? RX_EXTRA_INFO : 0)
        | (packet.checksumBlank ? RX_CSUM_BLANK | RX_DATA_VALIDATED : 0)
        | (packet.validated ? RX_DATA_VALIDATED : 0);
  }

  private void take(short id, int slotFlags, int status) {
    ids[slots] = id;
    flags[slots] = (short) slotFlags;
    statuses[slots] = (short) status;
    extras[slots] = 0;
    slots++;
    cons++;
  }

  /** A slot that says something beside; its page stays unused, and its driver's. */
  private void takeExtra(int typeAndFlags, long content) {
    copies[slots] = -1;
    take((short) 0, 0, 0);
    extras[slots - 1] = typeAndFlags | content << 16;
  }

  /** Whether the batch can take no more. */
  public boolean isFull(Staging staging, int length, int needed) {
    return slots + needed > RING || !staging.hasRoom(length, needed);
  }

  /** Announces the batch, after the copies have been made. Whether the guest wants to be told. */
  public boolean respond(Staging staging) {
    if (slots == 0) {
      return false;
    }
    for (int i = 0; i < slots; i++) {
      int at = SLOTS + (rspProd + i & RING - 1) * RX_SLOT;
      if (copies[i] < 0) {
        page.putLong(at, extras[i]);
        continue;
      }
      boolean written = staging.succeeded(copies[i], copies[i] + 1);
      page.putShort(at + RX_RSP_ID, ids[i]);
      page.putShort(at + RX_RSP_OFFSET, (short) 0);
      page.putShort(at + RX_RSP_FLAGS, flags[i]);
      page.putShort(at + RX_RSP_STATUS, written ? statuses[i] : (short) STATUS_ERROR);
    }
    int old = rspProd;
    rspProd += slots;
    slots = 0;
    return TxRing.publish(page, old, rspProd);
  }
}

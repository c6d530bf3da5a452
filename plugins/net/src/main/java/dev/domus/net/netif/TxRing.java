package dev.domus.net.netif;

import static dev.domus.net.netif.NetifLayout.*;

import dev.domus.memory.Window;
import dev.domus.net.packet.FrameLayout;
import dev.domus.net.packet.Packet;
import java.lang.invoke.VarHandle;

/**
 * What a guest sends: the backend's end of one transmit ring.
 *
 * <p>A packet is a chain of slots: the first one says how long the packet is, flags say whether
 * extra slots follow it and whether more data does; the others have lengths of their own, and what
 * they leave is the first one's. A batch of packets is read from the ring ({@link #collect}),
 * copied out of the guest's pages by one hypercall, looked at one by one ({@link #load}) and
 * answered ({@link #respond}), in the order of the requests. So what is between rsp_prod and
 * req_prod is exactly what has not been done, and another backend can go on from there.
 *
 * <p><b>Lies.</b> A chain that ends nowhere, a slot beyond its page, a producer more than a ring
 * ahead, an unknown extra slot, a segment size of 0: none of them happens to a driver that works,
 * and after some of them nobody knows where the next packet begins. They end the interface ({@link
 * BadRingException}), as they do with Linux' backend. What is merely useless (too short, too long,
 * parts that are longer than the whole, a grant that cannot be copied from) is answered with an
 * error, and the next packet is looked at.
 *
 * <p>Each word of the guest's is read once. Not thread-safe, allocates nothing.
 */
public final class TxRing {
  /** Most packets of a batch. */
  public static final int BATCH = 64;

  /** What a slot of a batch is: a packet, or a change of the multicast filter. */
  private static final int DATA = 0;

  private final Window page;
  private final int domid;
  private int cons;
  private int rspProd;

  // The slots of the batch, and what they are answered.
  private final short[] ids = new short[RING];
  private final short[] statuses = new short[RING];
  private int slots;

  // The packets of the batch.
  private final int[] slotFrom = new int[BATCH];
  private final int[] slotEnd = new int[BATCH];
  private final int[] copyFrom = new int[BATCH];
  private final int[] copyEnd = new int[BATCH];
  private final int[] place = new int[BATCH];
  private final int[] length = new int[BATCH];
  private final int[] flags = new int[BATCH];
  private final int[] gsoSize = new int[BATCH];
  private final int[] gsoType = new int[BATCH];
  private final int[] multicast = new int[BATCH];
  private final long[] address = new long[BATCH];
  private final boolean[] useless = new boolean[BATCH];
  private int packets;

  // The chain that is being read.
  private final int[] chainRef = new int[FATAL_SLOTS + 1];
  private final int[] chainOffset = new int[FATAL_SLOTS + 1];
  private final int[] chainSize = new int[FATAL_SLOTS + 1];

  /**
   * Takes a ring over where its last user has left it.
   *
   * @param page the ring
   * @param domid the guest
   */
  public TxRing(Window page, int domid) {
    this.page = page;
    this.domid = domid;
    rspProd = page.getIntAcquire(RSP_PROD);
    cons = rspProd;
  }

  /** How many slots wait. */
  private int waiting() throws BadRingException {
    int waiting = page.getIntAcquire(REQ_PROD) - cons;
    if (waiting < 0 || waiting > RING - slots) {
      throw new BadRingException(
          "its transmit ring has more requests than slots: req_prod - consumed=" + waiting);
    }
    return waiting;
  }

  /**
   * Reads a batch and adds its copies.
   *
   * @param mostBytes where to stop; one packet may go beyond
   * @return how many packets
   */
  public int collect(Staging staging, long mostBytes) throws BadRingException {
    slots = 0;
    packets = 0;
    staging.clear();
    long bytes = 0;
    int waiting = waiting();
    while (packets < BATCH
        && waiting > 0
        && bytes < mostBytes
        && staging.hasRoom(Packet.MAX_BYTES, MAX_SLOTS)) {
      int before = slots;
      readPacket(waiting, staging);
      waiting -= slots - before;
      bytes += length[packets - 1];
    }
    return packets;
  }

  private void readPacket(int waiting, Staging staging) throws BadRingException {
    int number = packets;
    int first = slots;
    int total = readSlot(0);
    int firstFlags = flags[number];
    gsoSize[number] = 0;
    gsoType[number] = Packet.GSO_NONE;
    multicast[number] = DATA;
    if ((firstFlags & TX_EXTRA_INFO) != 0) {
      readExtras(number, waiting - 1);
    }
    int chain = 1;
    int rest = total;
    boolean bad = false;
    for (int more = firstFlags; (more & TX_MORE_DATA) != 0; chain++) {
      if (slots - first >= waiting) {
        throw new BadRingException("a packet of its transmit ring has no end: slots=" + waiting);
      }
      if (chain >= FATAL_SLOTS) {
        throw new BadRingException("a packet of its transmit ring has too many slots: " + chain);
      }
      int saved = flags[number];
      int size = readSlot(chain);
      more = flags[number];
      flags[number] = saved;
      bad |= size > rest;
      rest -= Math.min(size, rest);
    }
    chainSize[0] = rest;
    for (int i = 0; i < chain; i++) {
      // The first slot's own length is what the others leave.
      if (!bad && chainOffset[i] + chainSize[i] > PAGE) {
        throw new BadRingException(
            "a request of its transmit ring crosses its page: offset=%d size=%d"
                .formatted(chainOffset[i], chainSize[i]));
      }
    }
    bad |= chain > MAX_SLOTS || total < FrameLayout.ETH_HEADER || total > Packet.MAX_BYTES;
    slotFrom[number] = first;
    slotEnd[number] = slots;
    length[number] = total;
    useless[number] = bad && multicast[number] == DATA;
    copyFrom[number] = staging.copies();
    if (!bad && multicast[number] == DATA) {
      place[number] = staging.begin(total);
      for (int i = 0; i < chain; i++) {
        staging.in(domid, chainRef[i], chainOffset[i], chainSize[i]);
      }
    }
    copyEnd[number] = staging.copies();
    packets++;
  }

  /**
   * Reads the slot at the consumer's index as a part of the chain; its flags become the packet's.
   */
  private int readSlot(int part) {
    int at = SLOTS + (cons & RING - 1) * TX_SLOT;
    chainRef[part] = page.getInt(at + TX_REF);
    chainOffset[part] = page.getShort(at + TX_OFFSET) & 0xFFFF;
    flags[packets] = page.getShort(at + TX_FLAGS) & 0xFFFF;
    int size = page.getShort(at + TX_SIZE) & 0xFFFF;
    chainSize[part] = size;
    consume(page.getShort(at + TX_ID), STATUS_OKAY);
    return size;
  }

  private void consume(short id, int status) {
    ids[slots] = id;
    statuses[slots] = (short) status;
    slots++;
    cons++;
  }

  private void readExtras(int number, int waiting) throws BadRingException {
    int left = waiting;
    int more;
    do {
      if (left-- <= 0) {
        throw new BadRingException("extra information is missing from its transmit ring");
      }
      int at = SLOTS + (cons & RING - 1) * TX_SLOT;
      int type = page.getByte(at + EXTRA_TYPE) & 0xFF;
      more = page.getByte(at + EXTRA_FLAGS) & EXTRA_MORE;
      if (type == 0 || type > EXTRA_LAST) {
        throw new BadRingException("unknown extra information in its transmit ring: type=" + type);
      }
      if (type == EXTRA_GSO) {
        gsoSize[number] = page.getShort(at + GSO_SIZE) & 0xFFFF;
        gsoType[number] = page.getByte(at + GSO_TYPE) & 0xFF;
        if (gsoSize[number] == 0
            || gsoType[number] != Packet.GSO_TCP4 && gsoType[number] != Packet.GSO_TCP6) {
          throw new BadRingException(
              "its transmit ring has a segment that cannot be cut: size=%d type=%d"
                  .formatted(gsoSize[number], gsoType[number]));
        }
      } else if (type == EXTRA_MULTICAST_ADD || type == EXTRA_MULTICAST_REMOVE) {
        multicast[number] = type;
        long mac = 0;
        for (int i = 0; i < 6; i++) {
          mac = mac << 8 | page.getByte(at + EXTRA_DATA + i) & 0xFF;
        }
        address[number] = mac;
      }
      consume((short) 0, STATUS_NULL);
    } while (more != 0);
  }

  /** Whether a packet is a change of the multicast filter, and nothing else. */
  public boolean isMulticastChange(int number) {
    return multicast[number] != DATA;
  }

  /** Whether the change is that an address is to be let through. */
  public boolean isMulticastAddition(int number) {
    return multicast[number] == EXTRA_MULTICAST_ADD;
  }

  /** The address of a change. */
  public long multicastAddress(int number) {
    return address[number];
  }

  /** Says that a packet was refused; it is answered so. */
  public void refuse(int number) {
    setStatus(number, STATUS_ERROR);
  }

  private void setStatus(int number, int status) {
    for (int i = slotFrom[number]; i < slotEnd[number]; i++) {
      if (statuses[i] != STATUS_NULL) {
        statuses[i] = (short) status;
      }
    }
  }

  /**
   * Reads a packet of the batch, after the copies have been made.
   *
   * @return false if there is none: it was useless, or could not be copied
   */
  public boolean load(int number, Staging staging, Packet into) {
    if (useless[number] || !staging.succeeded(copyFrom[number], copyEnd[number])) {
      refuse(number);
      return false;
    }
    into.reset(length[number]);
    staging.read(place[number], into.data, length[number]);
    into.gsoSize = gsoSize[number];
    into.gsoType = gsoType[number];
    into.checksumBlank = (flags[number] & TX_CSUM_BLANK) != 0 || gsoSize[number] != 0;
    into.validated = (flags[number] & TX_DATA_VALIDATED) != 0;
    return true;
  }

  /** Answers the batch. Returns whether the guest wants to be told. */
  public boolean respond() {
    if (slots == 0) {
      return false;
    }
    for (int i = 0; i < slots; i++) {
      int at = SLOTS + (rspProd + i & RING - 1) * TX_SLOT;
      page.putShort(at + TX_RSP_ID, ids[i]);
      page.putShort(at + TX_RSP_STATUS, statuses[i]);
    }
    int old = rspProd;
    rspProd += slots;
    slots = 0;
    packets = 0;
    return publish(page, old, rspProd);
  }

  /** Announces responses; whether the other end wants to be told. */
  static boolean publish(Window page, int old, int now) {
    page.putIntRelease(RSP_PROD, now);
    VarHandle.fullFence(); // it may have set rsp_event and gone to sleep since
    int event = page.getIntAcquire(RSP_EVENT);
    return Integer.compareUnsigned(now - event, now - old) < 0;
  }

  /** Asks to be told of the next request. Returns whether there is one already. */
  public boolean rest() throws BadRingException {
    if (waiting() > 0) {
      return true;
    }
    page.putIntRelease(REQ_EVENT, cons + 1);
    VarHandle.fullFence();
    return waiting() > 0;
  }
}

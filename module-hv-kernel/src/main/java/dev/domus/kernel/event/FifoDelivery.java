package dev.domus.kernel.event;

import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.FifoLayout.BUSY;
import static dev.domus.kernel.abi.FifoLayout.LINK;
import static dev.domus.kernel.abi.FifoLayout.LINKED;
import static dev.domus.kernel.abi.FifoLayout.MASKED;
import static dev.domus.kernel.abi.FifoLayout.PENDING;
import static dev.domus.kernel.abi.FifoLayout.PRIORITIES;

import dev.domus.kernel.abi.FifoLayout;
import dev.domus.kernel.mmu.FrameReferences;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.LongConsumer;

/**
 * Delivery by the FIFO ABI (xen-pv-abi.md, 10.2): a word an event in pages of the guest's, and
 * sixteen queues a vCPU, one a priority, whose heads are in a control block of the vCPU's. A queue
 * is a list of event words chained by their LINK fields; only this side knows its tail.
 *
 * <pre>
 *   control block      event words
 *   ready  …0010…      [5] PENDING LINKED link=9 ──▶ [9] PENDING LINKED link=0
 *   head[1] = 5 ───────▲                              ▲
 *                                 tails[vcpu, 1] = 9 ─┘
 * </pre>
 *
 * <p>The guest takes events off the front: it clears LINKED and LINK of a word in one operation,
 * goes on with what LINK said, and at 0 takes the queue for empty until its ready bit is set again.
 *
 * <h2>Pending first, then the list</h2>
 *
 * <p>Setting PENDING returns MASKED and LINKED as they were at that moment, all being bits of one
 * word. If LINKED was set, the guest has yet to take the word off its queue and will find PENDING
 * then. If MASKED was set, it will find PENDING when it unmasks. Otherwise the event has to be
 * appended to the queue of the port's vCPU and priority.
 *
 * <h2>Appending: one at a time, and nobody waits</h2>
 *
 * <p>Appending reads and writes a tail and links one word to another; two at once would lose
 * events. It is therefore done by one thread at a time for a domain, but by no lock: {@code work}
 * counts what is to be looked at. Who raises it from 0 does the work, his own and everybody's, and
 * leaves when he has brought it back to 0. Who finds it above 0 pushes his port onto the {@code
 * handedOver} stack first, adds to the count, and goes his way: a send never waits for another. A
 * port is on the stack at most once ({@code queued}, cleared before its word is looked at), so the
 * stack is as long as there are ports at most. If the host takes the processor away from the thread
 * at work, events of this one domain come that much later, like those of a lock's owner, but no
 * sender stands still for it.
 *
 * <h2>The tail</h2>
 *
 * <p>The word at the tail may have been taken by the guest already. So the link is made by
 * compare-and-set, and only while LINKED is set; BUSY keeps an honest guest from changing the word
 * meanwhile. If it was taken, the queue was empty: the event becomes its head, and the ready bit
 * tells. A port that is about to be linked again may itself be the tail of the queue that it was in
 * last, this one or another; that queue then has no tail any more, or later events would be chained
 * to a word that is now part of another list. A port whose vCPU or priority changes while it is
 * linked stays where it is until the guest has taken it.
 *
 * <h2>A guest that lies</h2>
 *
 * <p>All words are the guest's to write. Of an event word only the flags are read, never the LINK:
 * no list is walked here, so none can be a loop. Where to write follows from port numbers of this
 * side alone. A word that changes under every one of {@value #ATTEMPTS} attempts gets no successor;
 * the event starts a list of its own, and what the guest loses thereby is its own.
 *
 * <h2>Words that are not there yet</h2>
 *
 * <p>An event whose page has not been given is remembered in its {@link Port} and raised when the
 * page comes. The sender remembers, then looks for the page again; the guest's vCPU enters the
 * page, then looks for what was remembered: one of the two raises it.
 */
final class FifoDelivery implements PortDelivery {
  private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
  private static final VarHandle WORK;
  private static final VarHandle HANDED_OVER;
  private static final int ATTEMPTS = 64;

  /** In place of an address: frame 0 is no guest's. */
  private static final long NONE = 0;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      WORK = lookup.findVarHandle(FifoDelivery.class, "work", int.class);
      HANDED_OVER = lookup.findVarHandle(FifoDelivery.class, "handedOver", Port.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final MemorySegment memory;
  private final FrameReferences frames;
  private final EventTarget target;

  /** Machine addresses of the pages of event words, in order. */
  private final AtomicLongArray pages = new AtomicLongArray(FifoLayout.PAGES);

  /** Machine addresses of the control blocks, by vCPU. */
  private final AtomicLongArray controlBlocks;

  /** How many pages there are. Under the domain's lock. */
  private int pageCount;

  /** Last port of each queue, or 0; by vCPU and priority. Owned by who links. */
  private final int[] tails;

  private volatile int work;
  private volatile Port handedOver;

  FifoDelivery(MemorySegment memory, FrameReferences frames, EventTarget target) {
    this.memory = memory;
    this.frames = frames;
    this.target = target;
    controlBlocks = new AtomicLongArray(target.vcpus());
    tails = new int[target.vcpus() * PRIORITIES];
  }

  // ---- what the guest gives; under the domain's lock

  /**
   * Takes a vCPU's control block.
   *
   * @return 0, or −EINVAL if it has one or the page is not the domain's to write
   */
  int addControlBlock(long mfn, int offset, int vcpu) {
    if (controlBlocks.get(vcpu) != NONE || !frames.getWritable(target.domid(), mfn)) {
      return -EINVAL;
    }
    controlBlocks.set(vcpu, (mfn << 12) + offset);
    return 0;
  }

  /**
   * Takes the next page of event words.
   *
   * @return 0, −ENOSPC, or −EINVAL if the page is not the domain's to write
   */
  int addPage(long mfn) {
    if (pageCount == FifoLayout.PAGES) {
      return -ENOSPC;
    }
    if (!frames.getWritable(target.domid(), mfn)) {
      return -EINVAL;
    }
    pages.set(pageCount++, mfn << 12);
    return 0;
  }

  /** Number of the first port that has no word. */
  int wordCount() {
    return pageCount << FifoLayout.WORDS_PER_PAGE_SHIFT;
  }

  /** Raises what was remembered for want of a word, which is there now. */
  void raiseRemembered(Port port) {
    if (port.takeRemembered()) {
      setPending(port);
    }
  }

  /** Gives the guest's pages back. Nobody delivers any more. */
  void release() {
    forEachFrame(frames::putWritable);
  }

  /** Names each of the guest's frames that is held, as often as it is held. */
  void forEachFrame(LongConsumer taker) {
    for (int i = 0; i < pageCount; i++) {
      taker.accept(pages.get(i) >>> 12);
    }
    for (int vcpu = 0; vcpu < controlBlocks.length(); vcpu++) {
      if (controlBlocks.get(vcpu) != NONE) {
        taker.accept(controlBlocks.get(vcpu) >>> 12);
      }
    }
  }

  // ---- delivery

  @Override
  public int ports() {
    return FifoLayout.PORTS;
  }

  @Override
  public void setPending(Port port) {
    long word = word(port.number);
    if (word == NONE) {
      port.remember();
      word = word(port.number);
      if (word == NONE || !port.takeRemembered()) {
        target.portPending(port.number);
        return;
      }
    }
    int old = (int) INT.getAndBitwiseOr(memory, word, PENDING);
    if ((old & (MASKED | LINKED)) == 0) {
      link(port);
    }
    if ((old & PENDING) == 0) {
      target.portPending(port.number);
    }
  }

  @Override
  public void clearPending(Port port) {
    port.takeRemembered();
    long word = word(port.number);
    if (word != NONE) {
      INT.getAndBitwiseAnd(memory, word, ~PENDING); // the guest unlinks it and sees that it is not
    }
  }

  @Override
  public void unmask(Port port) {
    long word = word(port.number);
    if (word != NONE && ((int) INT.getAndBitwiseAnd(memory, word, ~MASKED) & PENDING) != 0) {
      link(port);
    }
  }

  @Override
  public boolean isPending(Port port) {
    long word = word(port.number);
    return word == NONE ? port.remembered() : (load(word) & PENDING) != 0;
  }

  @Override
  public boolean isMasked(Port port) {
    long word = word(port.number);
    return word == NONE || (load(word) & MASKED) != 0;
  }

  // ---- the queues

  private void link(Port port) {
    if (work == 0 && WORK.compareAndSet(this, 0, 1)) {
      append(port);
      if (WORK.compareAndSet(this, 1, 0)) {
        return;
      }
    } else {
      if (port.markQueued()) {
        handOver(port);
      }
      if ((int) WORK.getAndAdd(this, 1) != 0) {
        return;
      }
    }
    int seen;
    do {
      seen = work;
      appendHandedOver();
    } while ((int) WORK.getAndAdd(this, -seen) != seen);
  }

  private void handOver(Port port) {
    Port top;
    do {
      top = handedOver;
      port.nextQueued = top;
    } while (!HANDED_OVER.compareAndSet(this, top, port));
  }

  /** Appends all ports handed over, the one that came first before the others. */
  private void appendHandedOver() {
    Port reversed = null;
    for (Port port = (Port) HANDED_OVER.getAndSet(this, null); port != null; ) {
      Port next = port.nextQueued;
      port.nextQueued = reversed;
      reversed = port;
      port = next;
    }
    for (Port port = reversed; port != null; ) {
      Port next = port.nextQueued; // read first: it is another thread's once it is unmarked
      port.unmarkQueued();
      append(port);
      port = next;
    }
  }

  /** Appends a port to its queue if that is what its word asks for. One thread at a time. */
  private void append(Port port) {
    long word = word(port.number);
    int vcpu = port.notifyVcpu;
    long control = controlBlocks.get(vcpu);
    if ((load(word) & (PENDING | MASKED | LINKED)) != PENDING || control == NONE) {
      return;
    }
    int priority = port.priority;
    int queue = vcpu * PRIORITIES + priority;
    if (tails[port.lastQueue] == port.number) {
      tails[port.lastQueue] = 0;
    }
    if (((int) INT.getAndBitwiseOr(memory, word, LINKED) & LINKED) != 0) {
      return; // the guest's own doing
    }
    port.lastQueue = queue;
    int tail = tails[queue];
    tails[queue] = port.number;
    if (tail != 0 && linkAfter(word(tail), port.number)) {
      return;
    }
    INT.setVolatile(memory, control + FifoLayout.HEAD + 4L * priority, port.number);
    int ready = 1 << priority;
    if (((int) INT.getAndBitwiseOr(memory, control + FifoLayout.READY, ready) & ready) == 0) {
      Upcall.raise(memory, target, vcpu);
    }
  }

  /** Chains a port to the tail of a queue; false if the guest has taken the tail. */
  private boolean linkAfter(long tailWord, int number) {
    boolean busy = false;
    boolean linked = false;
    for (int attempt = 0; attempt < ATTEMPTS && !linked; attempt++) {
      int old = load(tailWord);
      if ((old & LINKED) == 0) {
        break;
      }
      linked = INT.compareAndSet(memory, tailWord, old, old & ~(BUSY | LINK) | number);
      if (!linked && !busy) {
        INT.getAndBitwiseOr(memory, tailWord, BUSY);
        busy = true;
      }
    }
    if (busy && !linked) {
      INT.getAndBitwiseAnd(memory, tailWord, ~BUSY);
    }
    return linked;
  }

  private int load(long word) {
    return (int) INT.getVolatile(memory, word);
  }

  /** Machine address of a port's event word, or {@link #NONE}. */
  private long word(int number) {
    long page = pages.get(number >>> FifoLayout.WORDS_PER_PAGE_SHIFT);
    return page == NONE
        ? NONE
        : page + (number & (1L << FifoLayout.WORDS_PER_PAGE_SHIFT) - 1) * Integer.BYTES;
  }
}

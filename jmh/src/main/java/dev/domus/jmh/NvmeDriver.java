package dev.domus.jmh;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.service.DmaBuffer;
import dev.domus.kernel.service.DriverDevice;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.memory.Window;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;

/**
 * A small driver for NVMe controllers (NVM Express 1.4) in a service domain: one pair of queues,
 * reads of 4 KiB, each of which is mapped for the request and unmapped after it, completions by
 * interrupt. Queues are coherent memory. Used by one thread.
 */
final class NvmeDriver implements AutoCloseable {
  static final int DEPTH = 32;
  static final int PAGE = 4096;

  private static final int ENTRIES = 64;
  private static final int CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30;
  private static final int ENABLE = 1 | 6 << 16 | 4 << 20;
  private static final int SQ_DOORBELL = 0x1008, CQ_DOORBELL = 0x100c;
  private static final int ADMIN_SQ = 0, ADMIN_CQ = 1, SQ = 2, CQ = 3, QUEUE_PAGES = 4;
  private static final int VECTOR = 1;
  private static final long QUEUES_GFN = 0x1000, DATA_GFN = 0x1100, MODE_GFN = 0x2000;

  private final Hypercalls calls;
  private final DriverDevice device;
  private final DmaBuffer queues;
  private final DmaBuffer data;
  private final Window queueWindow;
  private final Window dataWindow;
  private final EventPort interrupt;
  private final long[] queueAt = new long[QUEUE_PAGES];

  /** By slot: where the device sees its page, and what was asked for. */
  private final long[] mapped = new long[DEPTH];

  private final int[] asked = new int[DEPTH];
  private final int[] free = new int[DEPTH];
  private int freeCount = DEPTH;
  private int tail;
  private int head;
  private int phase = 1;
  private int adminSlot;
  private volatile Thread waiting;
  private volatile boolean told;

  /** Opens a controller that the domain has, in a mode, and makes a pair of queues. */
  NvmeDriver(Hypercalls calls, RequesterId id, String mode) {
    this.calls = calls;
    calls.memory().populate(QUEUES_GFN, QUEUE_PAGES);
    calls.memory().populate(DATA_GFN, DEPTH);
    device = calls.openDevice(id, mode, MODE_GFN);
    device.enable(true, true);
    queues = device.register(QUEUES_GFN, QUEUE_PAGES, true);
    data = device.register(DATA_GFN, DEPTH, true);
    queueWindow = calls.memory().window(QUEUES_GFN, QUEUE_PAGES, true);
    dataWindow = calls.memory().window(DATA_GFN, DEPTH, false);
    for (int i = 0; i < QUEUE_PAGES; i++) {
      queueAt[i] = queues.mapCoherent((long) i * PAGE, PAGE, DmaBuffer.READ | DmaBuffer.WRITE);
    }
    for (int i = 0; i < DEPTH; i++) {
      free[i] = i;
    }
    interrupt = device.bindInterrupt(VECTOR, this::wake);
    setReady(false);
    device.store(0, AQA, 4, 7 | 7 << 16);
    device.store(0, ASQ, 8, queueAt[ADMIN_SQ]);
    device.store(0, ACQ, 8, queueAt[ADMIN_CQ]);
    setReady(true);
    admin(5, queueAt[CQ], 1 | ENTRIES - 1 << 16, 3 | VECTOR << 16);
    admin(1, queueAt[SQ], 1 | ENTRIES - 1 << 16, 1 | 1 << 16);
  }

  private void setReady(boolean ready) {
    device.store(0, CC, 4, ready ? ENABLE : 0);
    while ((device.load(0, CSTS, 4) & 1) != (ready ? 1 : 0)) {
      Thread.yield();
    }
  }

  private void admin(int opcode, long prp, int dword10, int dword11) {
    long at = (long) ADMIN_SQ * PAGE + adminSlot * 64L;
    queueWindow.putInt(at, opcode);
    queueWindow.putLong(at + 24, prp);
    queueWindow.putInt(at + 40, dword10);
    queueWindow.putInt(at + 44, dword11);
    long done = (long) ADMIN_CQ * PAGE + adminSlot * 16L + 12;
    device.store(0, 0x1000, 4, ++adminSlot);
    while ((queueWindow.getIntAcquire(done) >>> 16 & 1) == 0) {
      Thread.yield();
    }
    if (queueWindow.getInt(done) >>> 17 != 0) {
      throw new IllegalStateException("no queue: status=" + (queueWindow.getInt(done) >>> 17));
    }
  }

  private void wake() {
    told = true;
    LockSupport.unpark(waiting);
  }

  DriverDevice device() {
    return device;
  }

  /**
   * Keeps {@link #DEPTH} reads under way until a deadline, then waits for the last.
   *
   * @param pages says which page of the disk is next; the first four bytes of each are its number
   * @return how many were done
   */
  long run(long deadlineNanos, IntSupplier pages) {
    waiting = Thread.currentThread();
    long done = 0;
    boolean more = true;
    while (more || freeCount < DEPTH) {
      if (more && freeCount > 0) {
        while (freeCount > 0) {
          submit(free[--freeCount], pages.getAsInt());
        }
        device.store(0, SQ_DOORBELL, 4, tail);
      }
      int taken = take();
      done += taken;
      if (taken == 0) {
        await();
      }
      more = more && System.nanoTime() - deadlineNanos < 0;
    }
    return done;
  }

  private void submit(int slot, int page) {
    asked[slot] = page;
    mapped[slot] = data.map((long) slot * PAGE, PAGE, DmaBuffer.WRITE);
    long at = (long) SQ * PAGE + tail * 64L;
    queueWindow.putInt(at, 2 | slot << 16);
    queueWindow.putInt(at + 4, 1);
    queueWindow.putLong(at + 24, mapped[slot]);
    queueWindow.putLong(at + 40, page);
    tail = tail + 1 & ENTRIES - 1;
  }

  private boolean hasCompletion() {
    int word = queueWindow.getIntAcquire((long) CQ * PAGE + head * 16L + 12);
    return (word >>> 16 & 1) == phase;
  }

  private int take() {
    int taken = 0;
    for (; hasCompletion(); taken++) {
      int word = queueWindow.getInt((long) CQ * PAGE + head * 16L + 12);
      int slot = word & 0xffff;
      data.unmap(mapped[slot], PAGE);
      if (word >>> 17 != 0 || dataWindow.getInt((long) slot * PAGE) != asked[slot]) {
        throw new IllegalStateException(
            "a read went wrong: page=%d status=0x%x".formatted(asked[slot], word >>> 17));
      }
      free[freeCount++] = slot;
      head = head + 1 & ENTRIES - 1;
      phase ^= head == 0 ? 1 : 0;
    }
    if (taken > 0) {
      device.store(0, CQ_DOORBELL, 4, head);
    }
    return taken;
  }

  private void await() {
    told = false;
    while (!hasCompletion() && !told) {
      LockSupport.park(this);
    }
  }

  @Override
  public void close() {
    setReady(false);
    interrupt.close();
    queueWindow.close();
    dataWindow.close();
    device.close();
    calls.memory().giveBack(QUEUES_GFN, QUEUE_PAGES);
    calls.memory().giveBack(DATA_GFN, DEPTH);
  }
}

package dev.domus.iommu;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.LongAdder;

/**
 * The unit's fault recording registers (Intel VT-d, 7.3.1 <i>Primary Fault Logging</i>; layout of
 * the Fault Recording Registers, Fault Status Register).
 *
 * <pre>
 *   record  127 126 125     104 103        96 95         80 79            64
 *  high    +---+---+-----------+-------------+-------------+----------------+
 *          | F | T |     0     |   reason    |      0      |   requester    |   T: 1 read, 0 write
 *          +---+---+-----------+-------------+-------------+----------------+
 *           63                                 12 11       0
 *  low     +-------------------------------------+----------+
 *          | page address, or bits 63-48: index  |    0     |
 *          +-------------------------------------+----------+
 *   status  15      8 7                2   1     0
 *          +---------+------------------+-----+-----+
 *          | next to |        0         | PPF | PFO |   PPF pending, PFO overflow
 *          | be read |                  |     |     |
 *          +---------+------------------+-----+-----+
 * </pre>
 *
 * <p>The records are a ring. If the next one has not been read yet (F is set), the overflow bit is
 * set and faults are lost to the records until it is cleared.
 *
 * <p><b>Storms.</b> A requester that has a record pending gets no second one: hardware may collapse
 * the faults of one requester (7.3.1), and this one does. Further faults are counted. So one device
 * neither fills the ring nor makes more than one event until it is read; a device that is faulty
 * all the time costs the machine a fault count each, in its own thread.
 *
 * <p>The event handler runs in the thread of the device whose fault made PPF go from 0 to 1, while
 * no lock is held; it must be short and wake whoever reads.
 *
 * <p>Thread-safe.
 */
public final class FaultRecorder {
  /** Status bits. */
  public static final int OVERFLOW = 1, PENDING = 2;

  private static final long F = 1L << 63;
  private static final long READ = 1L << 62;
  private static final int REASON_SHIFT = 32;
  private static final int INDEX_SHIFT = 48;

  private final long[] low;
  private final long[] high;

  /** By requester: faults since its record was made; 0 if it has none pending. */
  private final AtomicIntegerArray sinceRecord =
      new AtomicIntegerArray(RequesterId.BUSES * RequesterId.DEVICES * RequesterId.FUNCTIONS);

  private final LongAdder total = new LongAdder();
  private final LongAdder lost = new LongAdder();
  private int next;
  private int oldest;
  private boolean overflow;
  private boolean pending;
  private volatile Runnable handler = () -> {};

  /** A ring of so many records. */
  FaultRecorder(int records) {
    low = new long[records];
    high = new long[records];
  }

  /** Sets who is called when a fault is pending; see the essay on what it may do. */
  public void onPending(Runnable event) {
    handler = event;
  }

  /** Faults so far, recorded or not. */
  public long total() {
    return total.sum();
  }

  /** Faults that found no room: the first ones of their requester since the last reading. */
  public long lost() {
    return lost.sum();
  }

  /**
   * The status register: {@link #OVERFLOW}, {@link #PENDING}, index of the oldest record in 15:8.
   */
  public synchronized int status() {
    return (overflow ? OVERFLOW : 0) | (pending ? PENDING : 0) | oldest << 8;
  }

  void record(int requester, FaultReason reason, long address, boolean write) {
    total.increment();
    if (!isFirst(requester)) {
      return;
    }
    boolean event;
    synchronized (this) {
      if (overflow || (high[next] & F) != 0) {
        overflow = true;
        lost.increment();
        sinceRecord.set(requester, 0);
        event = false;
      } else {
        low[next] = reason.ofInterrupt() ? address << INDEX_SHIFT : address & -1L << 12;
        high[next] = F | (write ? 0 : READ) | (long) reason.code() << REASON_SHIFT | requester;
        next = (next + 1) % high.length;
        event = !pending;
        pending = true;
      }
    }
    if (event) {
      handler.run();
    }
  }

  private boolean isFirst(int requester) {
    while (true) {
      int count = sinceRecord.get(requester);
      if (count == Integer.MAX_VALUE) {
        return false;
      }
      if (sinceRecord.compareAndSet(requester, count, count + 1)) {
        return count == 0;
      }
    }
  }

  /**
   * Reads the records, oldest first, and clears them and the overflow bit. Whoever reads is not
   * under the recorder's lock, so the sink may do what it likes.
   *
   * @return how many there were; if as many as there are registers, there may be more
   */
  public int drain(FaultSink sink) {
    int records = 0;
    while (true) {
      long addressWord;
      long word;
      synchronized (this) {
        word = high[oldest];
        addressWord = low[oldest];
        if ((word & F) == 0 || records == high.length) {
          pending = (word & F) != 0;
          overflow = false;
          return records;
        }
        high[oldest] = 0;
        oldest = (oldest + 1) % high.length;
      }
      records++;
      int requester = (int) word & 0xFFFF;
      FaultReason reason = FaultReason.of((int) (word >>> REASON_SHIFT) & 0xFF);
      long more = sinceRecord.getAndSet(requester, 0) - 1L;
      sink.fault(
          requester,
          reason,
          reason.ofInterrupt() ? addressWord >>> INDEX_SHIFT : addressWord,
          (word & READ) == 0,
          more);
    }
  }
}

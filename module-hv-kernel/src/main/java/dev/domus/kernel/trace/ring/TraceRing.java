package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceRecord;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A buffer of records: one writer at a time, any number of readers, none of whom waits for anybody.
 * The newest record overwrites the oldest.
 *
 * <pre>
 *   words   | record 0 | record 1 | … | record capacity − 1 |      record n is in slot n mod capacity
 *
 *   intent  how many records have been begun      written before a slot is touched
 *   head    how many records are complete         written after it
 * </pre>
 *
 * <p>A record's number is its sequence. The writer announces in {@code intent} that it is about to
 * overwrite record {@code n − capacity}, then writes record {@code n} with plain stores, then
 * publishes it by {@code head}. A reader copies records below {@code head}, and then reads {@code
 * intent}: what it copied of records below {@code intent − capacity} may be torn, and is thrown
 * away and counted. Between the announcement and the stores the writer has a store-store fence,
 * between the copy and the look at {@code intent} the reader has a load-load fence; so whoever saw
 * any word of record {@code n} in the slot sees an {@code intent} above {@code n}. This is Agrona's
 * broadcast buffer with records of one size. On x86 all of the writer's accesses are plain moves.
 *
 * <p>Words are longs, which are not torn on the 64-bit JVMs that Domus runs on.
 */
final class TraceRing {
  private static final VarHandle HEAD;
  private static final VarHandle INTENT;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      HEAD = lookup.findVarHandle(TraceRing.class, "head", long.class);
      INTENT = lookup.findVarHandle(TraceRing.class, "intent", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  /** Its number in the session. */
  final int index;

  private final long[] words;
  private final int mask;

  @SuppressWarnings("unused") // by INTENT
  private long intent;

  private long head;

  /**
   * Makes an empty one.
   *
   * @param capacity a power of two
   */
  TraceRing(int index, int capacity) {
    this.index = index;
    words = new long[capacity * TraceRecord.WORDS];
    mask = capacity - 1;
  }

  int capacity() {
    return mask + 1;
  }

  /** How many records were written. Any thread. */
  long written() {
    return (long) HEAD.getAcquire(this);
  }

  /** Writes a record. The one writer only. */
  void write(long time, long second, long a, long b) {
    long n = head;
    INTENT.setOpaque(this, n + 1);
    VarHandle.storeStoreFence();
    int at = ((int) n & mask) * TraceRecord.WORDS;
    long[] w = words;
    w[at + TraceRecord.TIME] = time;
    w[at + TraceRecord.HEAD] = second;
    w[at + TraceRecord.A] = a;
    w[at + TraceRecord.B] = b;
    HEAD.setRelease(this, n + 1);
  }

  /**
   * Copies records from a number on. Any thread.
   *
   * @param from the number of the first that is wanted; those before it were read
   * @return the number from which to go on; {@code from} if nothing has happened since
   */
  long read(long from, TraceBatch batch) {
    long end = (long) HEAD.getAcquire(this);
    long start = Math.max(from, end - capacity());
    int count = (int) Math.min(end - start, batch.capacity());
    copy(start, count, batch.words());
    VarHandle.loadLoadFence();
    long oldest = (long) INTENT.getOpaque(this) - capacity();
    int torn = Math.clamp(oldest - start, 0, count);
    if (torn > 0) {
      System.arraycopy(
          batch.words(),
          torn * TraceRecord.WORDS,
          batch.words(),
          0,
          (count - torn) * TraceRecord.WORDS);
    }
    batch.fill(index, start + torn, count - torn, start + torn - from);
    return start + count;
  }

  private void copy(long start, int count, long[] into) {
    int first = (int) start & mask;
    int untilWrap = Math.min(count, capacity() - first);
    System.arraycopy(words, first * TraceRecord.WORDS, into, 0, untilWrap * TraceRecord.WORDS);
    System.arraycopy(
        words, 0, into, untilWrap * TraceRecord.WORDS, (count - untilWrap) * TraceRecord.WORDS);
  }
}

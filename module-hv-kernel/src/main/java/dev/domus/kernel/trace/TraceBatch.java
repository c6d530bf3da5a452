package dev.domus.kernel.trace;

/**
 * Some records that follow one another in one buffer, filled in by {@link TraceReader#next}. To be
 * used again; not thread-safe.
 */
public final class TraceBatch {
  private final long[] words;
  private int buffer;
  private long first;
  private int count;
  private long lost;

  /** Makes an empty one with room for a number of records. */
  public TraceBatch(int records) {
    words = new long[records * TraceRecord.WORDS];
  }

  /** How many records there is room for. */
  public int capacity() {
    return words.length / TraceRecord.WORDS;
  }

  /** The records, {@link TraceRecord#WORDS} words each. */
  public long[] words() {
    return words;
  }

  /** The number of the buffer, from 0. */
  public int buffer() {
    return buffer;
  }

  /** The first record's number in its buffer; records are numbered without a gap from 0. */
  public long first() {
    return first;
  }

  /** How many records there are. */
  public int count() {
    return count;
  }

  /** How many records between the last batch of this buffer and this one were overwritten. */
  public long lost() {
    return lost;
  }

  /** By a reader: says what it has put into {@link #words}. */
  public void fill(int newBuffer, long newFirst, int newCount, long newLost) {
    buffer = newBuffer;
    first = newFirst;
    count = newCount;
    lost = newLost;
  }
}

package dev.domus.memory;

import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Which machine frames hold instructions that an engine has decoded, and a version for each that
 * changes when such a frame is written.
 *
 * <p>One word a frame: bit 0 says that the frame is <em>watched</em>, the other bits are its
 * version. An engine that is about to decode from a frame calls {@link #watch} and keeps the
 * returned version beside what it decoded; before it executes from its cache it compares with
 * {@link #version}. Whoever stores to a frame by a path that could hit code calls {@link #written}
 * <em>after</em> the store; only the first store after a {@code watch} pays for more than one load.
 *
 * <p>All methods may be called from any thread. A store by another thread that happens before
 * {@code watch} is seen by the decoder; one that comes later finds the bit and moves the version.
 */
public final class CodeFrames {
  private final AtomicIntegerArray words;

  /**
   * Makes the table for a machine.
   *
   * @param frames number of machine frames
   */
  public CodeFrames(int frames) {
    words = new AtomicIntegerArray(frames);
  }

  /** Marks a frame as watched and returns its version. */
  public int watch(long mfn) {
    int index = (int) mfn;
    while (true) {
      int word = words.get(index);
      if ((word & 1) != 0 || words.compareAndSet(index, word, word | 1)) {
        return word >>> 1;
      }
    }
  }

  /** Says whether stores to the frame have to be reported. */
  public boolean watched(long mfn) {
    return (words.get((int) mfn) & 1) != 0;
  }

  /** The frame's present version. */
  public int version(long mfn) {
    return words.getAcquire((int) mfn) >>> 1;
  }

  /**
   * Reports that the frame has been written: if it was watched it is so no longer, and its version
   * has moved.
   */
  public void written(long mfn) {
    int index = (int) mfn;
    int word = words.get(index);
    while ((word & 1) != 0) {
      if (words.compareAndSet(index, word, (word & ~1) + 2)) {
        return;
      }
      word = words.get(index);
    }
  }

  /**
   * Reports that the frame has been written and goes on watching it: for a writer that knows that
   * the frame holds code which is still in use, beside the data that it stores. Its next store has
   * to be reported again.
   *
   * @return the frame's new version
   */
  public int rewritten(long mfn) {
    return words.addAndGet((int) mfn, 2) >>> 1;
  }
}

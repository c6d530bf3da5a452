package dev.domus.kernel.trace.ring;

import dev.domus.kernel.trace.Trace;
import dev.domus.kernel.trace.TraceBatch;
import dev.domus.kernel.trace.TraceReader;
import dev.domus.kernel.trace.TraceSpec;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/**
 * The buffers of one time of recording: one for each pCPU thread, made with its first record, and
 * {@value #SHARED} for all other threads.
 *
 * <p>Those others come one at a time into a buffer by a flag that is tried and never waited for: a
 * timer thread that is taken off its CPU in the middle of a record must not keep the next one from
 * waking a guest. Who finds all flags set goes on without a record, which is counted.
 */
final class TraceSession implements Trace.Session {
  private static final int SHARED = 4;

  private static final VarHandle FLAGS = MethodHandles.arrayElementVarHandle(int[].class);
  private static final VarHandle DROPPED;

  static {
    try {
      DROPPED = MethodHandles.lookup().findVarHandle(TraceSession.class, "dropped", long.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Tracer tracer;
  private final TraceSpec spec;
  private final int capacity;
  private final long startNanos;
  private final TraceRing[] shared = new TraceRing[SHARED];
  private final int[] flags = new int[SHARED];

  @SuppressWarnings("unused") // by DROPPED
  private long dropped;

  /** All of them by number; replaced when one is added. */
  private volatile TraceRing[] rings;

  /** Buffers of threads that have ended. Guarded by this. */
  private final Deque<TraceRing> free = new ArrayDeque<>();

  TraceSession(Tracer tracer, TraceSpec spec, long startNanos) {
    this.tracer = tracer;
    this.spec = spec;
    this.startNanos = startNanos;
    capacity = Integer.highestOneBit(spec.recordsPerBuffer() * 2 - 1);
    for (int i = 0; i < SHARED; i++) {
      shared[i] = new TraceRing(i, capacity);
    }
    rings = shared.clone();
  }

  // ---- for writers

  /** A buffer for a thread of its own. */
  synchronized TraceRing takeRing() {
    TraceRing used = free.poll();
    if (used != null) {
      return used;
    }
    TraceRing[] now = rings;
    TraceRing[] more = Arrays.copyOf(now, now.length + 1);
    more[now.length] = new TraceRing(now.length, capacity);
    rings = more;
    return more[now.length];
  }

  synchronized void giveBack(TraceRing ring) {
    free.add(ring);
  }

  /** Writes a record of a thread that has no buffer. Never waits. */
  void writeShared(long time, long head, long a, long b) {
    int first = (int) Thread.currentThread().threadId();
    for (int i = 0; i < SHARED; i++) {
      int which = first + i & SHARED - 1;
      if ((int) FLAGS.getOpaque(flags, which) == 0 && FLAGS.compareAndSet(flags, which, 0, 1)) {
        shared[which].write(time, head, a, b);
        FLAGS.setRelease(flags, which, 0);
        return;
      }
    }
    DROPPED.getAndAdd(this, 1L);
  }

  // ---- for readers

  @Override
  public long startNanos() {
    return startNanos;
  }

  @Override
  public TraceSpec spec() {
    return spec;
  }

  @Override
  public long dropped() {
    return (long) DROPPED.getVolatile(this);
  }

  @Override
  public TraceReader reader() {
    return new Reader();
  }

  @Override
  public void close() {
    tracer.stop(this);
  }

  private final class Reader implements TraceReader {
    private final List<Long> positions = new ArrayList<>();
    private int turn;
    private long lost;

    @Override
    public boolean next(TraceBatch batch) {
      TraceRing[] now = rings;
      while (positions.size() < now.length) {
        positions.add(0L);
      }
      for (int i = 0; i < now.length; i++) {
        int which = (turn + i) % now.length;
        long from = positions.get(which);
        long to = now[which].read(from, batch);
        if (to != from) {
          positions.set(which, to);
          lost += batch.lost();
          turn = which + 1;
          return true;
        }
      }
      return false;
    }

    @Override
    public long lost() {
      return lost;
    }
  }
}

package dev.domus.kernel.dispatch;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * The CPU time of a thread as Linux counts it: man 2 clock_gettime, man 3 pthread_getcpuclockid.
 *
 * <p>{@link java.lang.management.ThreadMXBean} tells the same, at several times the cost and only
 * after the JVM has loaded its management classes; this is asked once a context switch.
 */
@SuppressWarnings(
    "restricted") // The one place of this module that makes downcalls; each says why it is safe.
final class LinuxCpuTime implements PcpuClock.CpuTime {
  private static final int CLOCK_THREAD_CPUTIME_ID = 3;

  private static final long NANOS_A_SECOND = 1_000_000_000;

  private static final MemoryLayout TIMESPEC = MemoryLayout.structLayout(JAVA_LONG, JAVA_LONG);

  /** The calls; not there where they cannot be bound. */
  private record Calls(MethodHandle clockGettime, MethodHandle self, MethodHandle clockOf) {
    private static Optional<Calls> bind() {
      if (!System.getProperty("os.name").equals("Linux") || ADDRESS.byteSize() != 8) {
        return Optional.empty();
      }
      try {
        Linker linker = Linker.nativeLinker();
        // Safety: these are the C prototypes on 64-bit Linux (pthread_t is 64 bits in glibc and
        // musl). "Critical" is allowed: the call takes some hundred nanoseconds and never waits.
        return Optional.of(
            new Calls(
                linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("clock_gettime"),
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS),
                    Linker.Option.critical(false)),
                linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("pthread_self"),
                    FunctionDescriptor.of(JAVA_LONG)),
                linker.downcallHandle(
                    linker.defaultLookup().findOrThrow("pthread_getcpuclockid"),
                    FunctionDescriptor.of(JAVA_INT, JAVA_LONG, ADDRESS))));
      } catch (RuntimeException e) {
        // No such function, or no native access (IllegalCallerException): wall time has to do.
        return Optional.empty();
      }
    }
  }

  /** Null where they cannot be bound. A constant, or the JIT could not compile the calls in. */
  private static final Calls CALLS = Calls.bind().orElse(null);

  /** The clock of the thread as other threads name it. */
  private final int clock;

  /** Filled in by each call; the thread's own. Freed when nothing refers to it any more. */
  private final MemorySegment timespec = Arena.ofAuto().allocate(TIMESPEC);

  private LinuxCpuTime(int clock) {
    this.clock = clock;
  }

  /** The clock of the calling thread; empty where the host has none that can be used. */
  static Optional<PcpuClock.CpuTime> ofCallingThread() {
    if (CALLS == null) {
      return Optional.empty();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment id = arena.allocate(JAVA_INT);
      // Safety: names the calling thread, which is alive; writes one int into a segment of one.
      int error = (int) CALLS.clockOf.invokeExact((long) CALLS.self.invokeExact(), id);
      LinuxCpuTime time = new LinuxCpuTime(id.get(JAVA_INT, 0));
      return error == 0 && time.read(CLOCK_THREAD_CPUTIME_ID, time.timespec) > 0
          ? Optional.of(time)
          : Optional.empty();
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  @Override
  public long nanos() {
    return read(CLOCK_THREAD_CPUTIME_ID, timespec);
  }

  @Override
  public long nanosSeenFromOutside() {
    try (Arena arena = Arena.ofConfined()) {
      return read(clock, arena.allocate(TIMESPEC));
    }
  }

  /** What a clock says; 0 if there is no such clock, as after the end of its thread. */
  private long read(int clockId, MemorySegment into) {
    try {
      // Safety: writes one timespec, 16 bytes, into a segment of that size, which outlives the
      // call. An id of a thread that has ended is an error (EINVAL) and nothing else.
      int error = (int) CALLS.clockGettime.invokeExact(clockId, into);
      return error == 0 ? into.get(JAVA_LONG, 0) * NANOS_A_SECOND + into.get(JAVA_LONG, 8) : 0;
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static RuntimeException unexpected(Throwable e) {
    return switch (e) {
      case RuntimeException runtime -> runtime;
      case Error error -> throw error;
      default -> new IllegalStateException("a downcall threw", e);
    };
  }
}

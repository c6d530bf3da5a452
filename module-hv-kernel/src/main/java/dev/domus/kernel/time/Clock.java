package dev.domus.kernel.time;

import dev.domus.kernel.abi.SharedInfoLayout;
import dev.domus.kernel.dispatch.PcpuClock;
import dev.domus.kernel.domain.GuestAccess;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.time.Instant;

/**
 * System time and the guests' time-stamp counter.
 *
 * <p>System time is the pCPUs' clock in nanoseconds since the machine started: the host's monotonic
 * clock, or on a deterministic machine a {@link VirtualClock}. Everything that guests can see of
 * time goes through here. The guest's time-stamp counter is defined to run at exactly 1 GHz and to
 * equal system time, so that the pvclock parameters are constants and never have to be updated:
 * with the rule of xen-pv-abi.md, 11.4, a frequency of 10<sup>9</sup> is doubled once ({@code
 * tsc_shift} 1), which leaves {@code tsc_to_system_mul} 2<sup>31</sup>. All vCPUs share one
 * counter; flag bit 0 says so.
 *
 * <p>Thread-safe.
 */
public final class Clock {
  /** Frequency of the guest-visible time-stamp counter in Hz. */
  public static final long TSC_HZ = 1_000_000_000L;

  private static final int TSC_TO_SYSTEM_MUL = 0x8000_0000;
  private static final byte TSC_SHIFT = 1;
  private static final byte TSC_STABLE = 1;

  private final PcpuClock source;
  private final long startNanos;
  private final Instant startWall;

  /**
   * A clock that begins now.
   *
   * @param source what it goes by
   * @param startWall the date now
   */
  public Clock(PcpuClock source, Instant startWall) {
    this.source = source;
    this.startNanos = source.nanoTime();
    this.startWall = startWall;
  }

  /** Now, on the scale of {@link PcpuClock#nanoTime}. */
  public long pcpuNanos() {
    return source.nanoTime();
  }

  /** System time in nanoseconds since the machine started. */
  public long systemNanos() {
    return source.nanoTime() - startNanos;
  }

  /** The guest's time-stamp counter. */
  public long tsc() {
    return systemNanos();
  }

  /** Converts a system time to the scale of {@link PcpuClock#nanoTime}. */
  public long toPcpuNanos(long systemNanos) {
    return systemNanos + startNanos;
  }

  /** Converts a time of {@link PcpuClock#nanoTime} to system time. */
  public long toSystemNanos(long pcpuNanos) {
    return pcpuNanos - startNanos;
  }

  /**
   * Fills in a vcpu_time_info.
   *
   * @param timeInfo machine address of the structure
   */
  public void writeTimeInfo(MemorySegment memory, long timeInfo) {
    long version = timeInfo + SharedInfoLayout.TIME_VERSION;
    int old = memory.get(ValueLayout.JAVA_INT, version) & ~1;
    memory.set(ValueLayout.JAVA_INT, version, old + 1);
    VarHandle.storeStoreFence();
    memory.set(ValueLayout.JAVA_LONG, timeInfo + SharedInfoLayout.TSC_TIMESTAMP, 0);
    memory.set(ValueLayout.JAVA_LONG, timeInfo + SharedInfoLayout.SYSTEM_TIME, 0);
    memory.set(
        ValueLayout.JAVA_INT, timeInfo + SharedInfoLayout.TSC_TO_SYSTEM_MUL, TSC_TO_SYSTEM_MUL);
    memory.set(ValueLayout.JAVA_BYTE, timeInfo + SharedInfoLayout.TSC_SHIFT, TSC_SHIFT);
    memory.set(ValueLayout.JAVA_BYTE, timeInfo + SharedInfoLayout.TIME_FLAGS, TSC_STABLE);
    VarHandle.storeStoreFence();
    memory.set(ValueLayout.JAVA_INT, version, old + 2);
  }

  /**
   * Fills in a copy of vcpu_time_info in guest memory; the range has been checked to be writable.
   */
  public void writeTimeInfo(GuestAccess guest, long va) {
    int old = guest.getInt(va + SharedInfoLayout.TIME_VERSION) & ~1;
    guest.putInt(va + SharedInfoLayout.TIME_VERSION, old + 1);
    VarHandle.storeStoreFence();
    guest.putLong(va + SharedInfoLayout.TSC_TIMESTAMP, 0);
    guest.putLong(va + SharedInfoLayout.SYSTEM_TIME, 0);
    guest.putInt(va + SharedInfoLayout.TSC_TO_SYSTEM_MUL, TSC_TO_SYSTEM_MUL);
    guest.putInt(va + SharedInfoLayout.TSC_SHIFT, TSC_SHIFT | TSC_STABLE << 8);
    VarHandle.storeStoreFence();
    guest.putInt(va + SharedInfoLayout.TIME_VERSION, old + 2);
  }

  /**
   * Fills in the wall clock of a shared info page: the date at system time zero.
   *
   * @param sharedInfo machine address of the page
   */
  public void writeWallClock(MemorySegment memory, long sharedInfo) {
    long seconds = startWall.getEpochSecond();
    memory.set(ValueLayout.JAVA_INT, sharedInfo + SharedInfoLayout.WC_VERSION, 1);
    VarHandle.storeStoreFence();
    memory.set(ValueLayout.JAVA_INT, sharedInfo + SharedInfoLayout.WC_SEC, (int) seconds);
    memory.set(
        ValueLayout.JAVA_INT, sharedInfo + SharedInfoLayout.WC_SEC_HI, (int) (seconds >>> 32));
    memory.set(ValueLayout.JAVA_INT, sharedInfo + SharedInfoLayout.WC_NSEC, startWall.getNano());
    VarHandle.storeStoreFence();
    memory.set(ValueLayout.JAVA_INT, sharedInfo + SharedInfoLayout.WC_VERSION, 2);
  }
}

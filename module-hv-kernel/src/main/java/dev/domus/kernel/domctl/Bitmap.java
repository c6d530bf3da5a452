package dev.domus.kernel.domctl;

import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.sched.CpuMask;
import java.util.Arrays;

/** Sets of pCPUs in the caller's memory, as domctl and sysctl name them. */
final class Bitmap {
  private Bitmap() {}

  private static final int MOST_BITS = 1 << 16;

  /** Reads one; pCPUs that the machine does not have are left out. */
  static CpuMask read(Argument a, int offset, int pcpus) {
    long bits = a.getLong(offset + DomctlLayout.BITMAP_BITS);
    int count = a.getInt(offset + DomctlLayout.BITMAP_COUNT);
    DomctlOp.refuse(count < 0 || count > MOST_BITS);
    int[] set = new int[pcpus];
    int found = 0;
    for (int cpu = 0; cpu < Math.min(count, pcpus); cpu++) {
      if ((a.caller().guest().getByte(bits + cpu / 8) >>> cpu % 8 & 1) != 0) {
        set[found++] = cpu;
      }
    }
    DomctlOp.refuse(found == 0);
    return CpuMask.of(Arrays.copyOf(set, found));
  }

  /** Writes certain pCPUs, ascending and maybe none, and zeros behind them. */
  static void write(Argument a, int offset, int[] cpus) {
    boolean none = cpus.length == 0;
    write(a, offset, none ? CpuMask.ALL : CpuMask.of(cpus), none ? 0 : cpus[cpus.length - 1] + 1);
  }

  /** Writes one, and zeros behind it. */
  static void write(Argument a, int offset, CpuMask mask, int pcpus) {
    long bits = a.getLong(offset + DomctlLayout.BITMAP_BITS);
    int count = a.getInt(offset + DomctlLayout.BITMAP_COUNT);
    DomctlOp.refuse(count < 0 || count > MOST_BITS);
    int bytes = Math.ceilDiv(count, 8);
    a.caller().guest().requireWritable(bits, bytes);
    for (int i = 0; i < bytes; i++) {
      int value = 0;
      for (int cpu = 8 * i; cpu < Math.min(Math.min(count, pcpus), 8 * i + 8); cpu++) {
        value |= mask.contains(cpu) ? 1 << cpu % 8 : 0;
      }
      a.caller().guest().putByte(bits + i, value);
    }
  }
}

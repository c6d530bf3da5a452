package dev.domus.engine.jvm.memory;

import dev.domus.kernel.engine.CpuState;

/**
 * Data breakpoints of DR0 to DR3 (Intel SDM vol. 3, 18.2.4).
 *
 * <p>They cost nothing while DR7 enables none. While it does, pages that hold a watched byte never
 * enter the TLB, so every access to them takes the slow path and asks here; a match is remembered
 * until the instruction has completed, for data breakpoints are traps.
 */
final class DataBreakpoints {
  private static final int WRITES = 1, ANY = 3;

  private final long[] from = new long[4];
  private final int[] length = new int[4];
  private final int[] kind = new int[4];
  private boolean armed;

  /** DR6 bits of the matches since the last {@link #take}. */
  private long matched;

  /** Loads the debug registers; says whether any data breakpoint is enabled. */
  boolean load(CpuState state) {
    long dr7 = state.dr[7];
    armed = false;
    for (int n = 0; n < 4; n++) {
      int rw = (int) (dr7 >>> (16 + 4 * n)) & 3;
      boolean enabled = (dr7 >>> (2 * n) & 3) != 0 && (rw == WRITES || rw == ANY);
      int code = (int) (dr7 >>> (18 + 4 * n)) & 3;
      length[n] = enabled ? (code == 2 ? 8 : code + 1) : 0;
      from[n] = state.dr[n] & -(long) Math.max(1, length[n]);
      kind[n] = rw;
      armed |= enabled;
    }
    return armed;
  }

  boolean onPage(long va) {
    if (armed) {
      for (int n = 0; n < 4; n++) {
        if (length[n] != 0 && (from[n] ^ va) >>> 12 == 0) {
          return true;
        }
      }
    }
    return false;
  }

  void access(long va, int size, boolean write) {
    if (armed) {
      for (int n = 0; n < 4; n++) {
        if (length[n] != 0
            && va < from[n] + length[n]
            && from[n] < va + size
            && (write || kind[n] == ANY)) {
          matched |= 1L << n;
        }
      }
    }
  }

  long take() {
    long was = matched;
    matched = 0;
    return was;
  }
}

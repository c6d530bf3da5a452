package dev.domus.kernel.trap;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.engine.CpuState;
import java.util.Arrays;

/**
 * The guest's debug registers with the rules of xen-pv-abi.md, 9.4 (XSA-444: never an address of
 * the hypervisor's).
 */
public final class DebugRegisters {
  /** DR6 bit: single step. */
  public static final long BS = 1 << 14;

  private static final long DR6_ONES = 0xFFFF_0FF0L, DR6_ZEROS = 1 << 12;
  private static final long DR7_ONES = 1 << 10, DR7_ZEROS = 0xD800, DR7_GD = 1 << 13;
  private static final int ENABLE_BITS = 0xFF;
  private static final int IO_BREAKPOINT = 2;

  private DebugRegisters() {}

  /** Puts into all registers what they have after a reset. */
  public static void reset(CpuState s) {
    Arrays.fill(s.dr, 0);
    s.dr[6] = DR6_ONES;
    s.dr[7] = DR7_ONES;
  }

  /**
   * Reads a register.
   *
   * @return its value, or a negated error number for a register that is not there
   */
  public static long read(CpuState s, int register) {
    return switch (register) {
      case 0, 1, 2, 3 -> s.dr[register];
      case 4, 5 -> (s.cr4 & CpuState.CR4_DE) != 0 ? -Errno.ENODEV : s.dr[register + 2];
      case 6, 7 -> s.dr[register];
      default -> -Errno.ENODEV;
    };
  }

  /**
   * Writes a register.
   *
   * @return 0 or a negated error number; then nothing has changed
   */
  public static int write(CpuState s, int register, long value) {
    return switch (register) {
      case 0, 1, 2, 3 -> {
        if (!GuestAccess.addressOk(value, 1)) {
          yield -Errno.EPERM;
        }
        s.dr[register] = value;
        yield 0;
      }
      case 4, 5 -> (s.cr4 & CpuState.CR4_DE) != 0 ? -Errno.ENODEV : write(s, register + 2, value);
      case 6 -> {
        if (value >>> 32 != 0) {
          yield -Errno.EINVAL;
        }
        s.dr[6] = (value | DR6_ONES) & ~DR6_ZEROS;
        yield 0;
      }
      case 7 -> writeControl(s, value);
      default -> -Errno.ENODEV;
    };
  }

  private static int writeControl(CpuState s, long value) {
    if (value >>> 32 != 0) {
      return -Errno.EINVAL;
    }
    if ((value & DR7_GD) != 0) {
      return -Errno.EPERM;
    }
    if ((value & ENABLE_BITS) != 0) {
      for (int i = 0; i < 4; i++) { // of all four, enabled or not, once one is
        if ((value >>> 16 + 4 * i & 3) == IO_BREAKPOINT && (s.cr4 & CpuState.CR4_DE) == 0) {
          return -Errno.EPERM;
        }
      }
    }
    s.dr[7] = (value | DR7_ONES) & ~DR7_ZEROS;
    return 0;
  }
}

package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;

/**
 * multicall (13): several hypercalls in one (xen-pv-abi.md, 4.4). Each entry is read once, before
 * it is carried out; its result is stored in it. An iret ends the batch with nothing more read or
 * written (XSA-213).
 *
 * <pre>
 *   multicall_entry (64): u64 op@0, u64 result@8, u64 args[6]@16
 * </pre>
 */
final class Multicall implements Hypercall {
  private static final int ENTRY_SIZE = 64, RESULT = 8, ARGUMENTS = 16;

  private static final int NO_HYPERCALL = -1;

  private final HypercallTable table;

  Multicall(HypercallTable table) {
    this.table = table;
  }

  @Override
  public long call(Vcpu v, long list, long count, long a3, long a4, long a5) {
    if (v.inMulticall()) {
      return -Errno.EINVAL;
    }
    long entries = count & 0xFFFF_FFFFL;
    if (!GuestAccess.addressOk(list, entries * ENTRY_SIZE)) {
      return -Errno.EFAULT; // all of it, before any effect
    }
    v.setInMulticall(true);
    try {
      return run(v, list, entries);
    } finally {
      v.setInMulticall(false);
    }
  }

  private long run(Vcpu v, long list, long count) {
    for (long i = 0; i < count; i++) {
      long entry = list + i * ENTRY_SIZE;
      long op = v.guest().getLong(entry); // all 64 bits count, unlike those of RAX
      int number = op >>> 32 == 0 ? (int) op : NO_HYPERCALL;
      long arguments = entry + ARGUMENTS;
      long result =
          table.call(
              v,
              number,
              v.guest().getLong(arguments),
              v.guest().getLong(arguments + 8),
              v.guest().getLong(arguments + 16),
              v.guest().getLong(arguments + 24),
              v.guest().getLong(arguments + 32));
      if (result == CONTINUE) {
        v.guest().putLong(arguments, v.continuation().first());
        v.guest().putLong(arguments + 8, v.continuation().second());
        long third = v.guest().getLong(arguments + 16);
        v.guest().putLong(arguments + 16, v.continuation().third(third));
        v.continuation().leave(entry, count - i);
        return CONTINUE;
      }
      if (number == HypercallNumber.IRET) {
        return v.state().gpr[CpuState.RAX];
      }
      v.guest().putLong(entry + RESULT, result);
      if (!v.domain().mayRun()) {
        return 0;
      }
      if (i + 1 < count && v.mustPreempt()) {
        v.continuation().leave(entry + ENTRY_SIZE, count - i - 1);
        return CONTINUE;
      }
    }
    return 0;
  }
}

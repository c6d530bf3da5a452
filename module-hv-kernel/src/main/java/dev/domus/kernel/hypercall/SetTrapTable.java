package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.trap.TrapState;
import dev.domus.memory.paging.Pte;

/**
 * set_trap_table (0): an array of trap_info that ends with an entry whose address is zero; a null
 * pointer clears the table.
 *
 * <pre>
 *   trap_info: u8 vector@0, u8 flags@1 (bits 0-1 DPL, bit 2 mask events), u16 cs@2, u64 address@8
 * </pre>
 */
final class SetTrapTable implements Hypercall {
  private static final int ENTRY_SIZE = 16;
  private static final int PREEMPTION_CHECK = 256;

  @Override
  public long call(Vcpu v, long table, long a2, long a3, long a4, long a5) {
    TrapState traps = v.traps();
    if (table == 0) {
      traps.clear();
      return 0;
    }
    for (int i = 0; ; i++) {
      long entry = table + (long) i * ENTRY_SIZE;
      if (i != 0 && i % PREEMPTION_CHECK == 0 && v.mustPreempt()) { // it may be of any length
        v.continuation().leave(entry, a2);
        return CONTINUE;
      }
      int head = v.guest().getInt(entry);
      long address = v.guest().getLong(entry + 8);
      if (address == 0) {
        return 0;
      }
      if (!Pte.isCanonical(address)) {
        return -Errno.EINVAL;
      }
      traps.set(head & 0xFF, head >>> 8 & 0xFF, address);
    }
  }
}

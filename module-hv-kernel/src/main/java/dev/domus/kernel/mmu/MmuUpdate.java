package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.memory.MachineMemory;
import dev.domus.memory.paging.Pte;

/**
 * mmu_update (1): a batch of stores to page-table entries and M2P entries (xen-pv-abi.md, 6.1).
 *
 * <pre>
 *   mmu_update: u64 ptr@0 (low 3 bits: command), u64 val@8
 *   RDI array   RSI count   RDX u32 *done or 0   R10 owner of the frames mapped | (owner of the tables + 1) &lt;&lt; 16
 * </pre>
 *
 * <p>Requests are carried out in order until one fails; {@code done} says how many were. Up to
 * {@value #CHUNK} of those that lie in one page are read at once, which makes each its own copy
 * too, and carried out under one hold of the lock ({@link EntryUpdates#updateRun}).
 */
public final class MmuUpdate implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byLowBits()
          .done(0, "normal_pt_update")
          .done(1, "machphys_update")
          .done(2, "pt_update_preserve_ad")
          .done(3, "pt_update_no_translate");

  private static final int REQUEST_SIZE = 16;
  private static final int WORDS = REQUEST_SIZE / 8;

  /** How many requests are read at once, at most; see {@link Vcpu#requestWords}. */
  static final int CHUNK = Vcpu.REQUEST_WORDS / WORDS;

  private static final int NORMAL = 0, MACHPHYS = 1, PRESERVE_AD = 2, NO_TRANSLATE = 3;

  /** Makes the table entry. */
  public MmuUpdate() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long requests, long count, long done, long owners, long a5) {
    int named = ((int) owners >>> 16) - 1; // by its id: DOMID_SELF is no domain here
    if (named >= Domid.FIRST_RESERVED) {
      return -Errno.ESRCH;
    }
    int tablesOf = named < 0 ? Domid.SELF : named;
    int error = Batch.tablesError(v, tablesOf);
    if (error != 0) {
      return error;
    }
    int target = Batch.owner(v, (int) owners & 0xFFFF);
    if (target < 0) {
      return target;
    }
    Mmu tables = Batch.tables(v, tablesOf);
    return tables == null
        ? -Errno.ESRCH
        : Batch.run(
            v, requests, count, done, REQUEST_SIZE, tables, target, false, MmuUpdate::requests);
  }

  private static long requests(Vcpu v, long at, long left, Mmu tables, int target) {
    long[] words = v.requestWords();
    int count = v.guest().readWords(at, words, WORDS, (int) Math.min(left, CHUNK));
    return isEntryUpdate((int) words[0] & 7) && target != Domid.IO
        ? tables.entries().updateRun(words, count, target, v.tableWork())
        : Batch.outcome(1, request(v, words[0], words[1], tables, target));
  }

  /** Whether a command stores an entry, and not something else. */
  static boolean isEntryUpdate(int command) {
    return command == NORMAL || command == PRESERVE_AD || command == NO_TRANSLATE;
  }

  /** Whether a command leaves the accessed and dirty bits of the old entry. */
  static boolean preservesAd(int command) {
    return command == PRESERVE_AD;
  }

  private static int request(Vcpu v, long ptr, long val, Mmu tables, int target) {
    int command = (int) ptr & 7;
    return switch (command) {
      case NORMAL, PRESERVE_AD, NO_TRANSLATE ->
          mayMap(v, val, tables, target)
              ? tables
                  .entries()
                  .update(ptr & ~7L, val, target, command == PRESERVE_AD, v.tableWork())
              : -Errno.EPERM;
      case MACHPHYS -> machphys(v, ptr >>> MachineMemory.FRAME_SHIFT, val, target);
      default -> -Errno.ENOSYS;
    };
  }

  /**
   * Who puts an I/O frame into somebody else's tables needs the right to it himself; that the other
   * one has it too is checked with the entry.
   */
  private static boolean mayMap(Vcpu v, long entry, Mmu tables, int target) {
    Mmu own = v.domain().mmu();
    return target != Domid.IO
        || tables == own
        || !EntryRules.isPresent(entry)
        || own.io().permitsMemory(Pte.mfn(entry), 1);
  }

  private static int machphys(Vcpu v, long mfn, long pfn, int target) {
    int error = Batch.tablesError(v, target);
    if (error != 0) {
      return error;
    }
    Mmu owner = Batch.tables(v, target);
    if (owner == null || !owner.machine().get(target, mfn)) {
      return -Errno.EINVAL;
    }
    owner.setPfn(mfn, pfn);
    owner.machine().put(mfn);
    return 0;
  }
}

package dev.domus.kernel.mmu;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.Invalidation;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.hypercall.Subops;
import dev.domus.kernel.trap.VmAssist;

/**
 * mmuext_op (26): pins, base pointers, flushes, the LDT, and whole pages (xen-pv-abi.md, 6.3).
 *
 * <pre>
 *   mmuext_op (24): u32 cmd@0, u64 arg1@8 (frame or linear address), u64 arg2@16 (count, vCPU set, or source frame)
 * </pre>
 */
public final class MmuextOp implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byStructure()
          .done(0, "pin_l1_table")
          .done(1, "pin_l2_table")
          .done(2, "pin_l3_table")
          .done(3, "pin_l4_table")
          .done(4, "unpin_table")
          .done(5, "new_baseptr")
          .done(6, "tlb_flush_local")
          .done(7, "invlpg_local")
          .done(8, "tlb_flush_multi")
          .done(9, "invlpg_multi")
          .done(10, "tlb_flush_all")
          .done(11, "invlpg_all")
          .refused(12, "flush_cache", "only for domains with devices")
          .done(13, "set_ldt")
          .done(15, "new_user_baseptr")
          .done(16, "clear_page")
          .done(17, "copy_page")
          .refused(18, "flush_cache_global", "only for domains with devices")
          .refused(19, "mark_super", "no superpages, as Xen since 4.8")
          .refused(20, "unmark_super", "no superpages, as Xen since 4.8");

  private static final int REQUEST_SIZE = 24;
  private static final int PIN_L1 = 0,
      PIN_L2 = 1,
      PIN_L3 = 2,
      PIN_L4 = 3,
      UNPIN = 4,
      NEW_BASEPTR = 5,
      TLB_FLUSH_LOCAL = 6;
  private static final int INVLPG_LOCAL = 7,
      TLB_FLUSH_MULTI = 8,
      INVLPG_MULTI = 9,
      TLB_FLUSH_ALL = 10;
  private static final int INVLPG_ALL = 11, FLUSH_CACHE = 12, SET_LDT = 13, NEW_USER_BASEPTR = 15;
  private static final int CLEAR_PAGE = 16,
      COPY_PAGE = 17,
      FLUSH_CACHE_GLOBAL = 18,
      MARK_SUPER = 19;
  private static final int UNMARK_SUPER = 20;

  /** Makes the table entry. */
  public MmuextOp() {}

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long requests, long count, long done, long domid, long a5) {
    int owner = (int) domid & 0xFFFF;
    if (owner == v.domain().domid()) {
      return -Errno.ESRCH; // itself a domain calls DOMID_SELF
    }
    int error = Batch.tablesError(v, owner);
    if (error != 0) {
      return error;
    }
    Mmu tables = Batch.tables(v, owner);
    return tables == null
        ? -Errno.ESRCH
        : Batch.run(
            v,
            requests,
            count,
            done,
            REQUEST_SIZE,
            tables,
            tables.domid(),
            true,
            MmuextOp::request);
  }

  private static long request(Vcpu v, long request, long left, Mmu tables, int target) {
    return Batch.outcome(1, carryOut(v, request, tables));
  }

  private static int carryOut(Vcpu v, long request, Mmu tables) {
    int command = v.guest().getInt(request);
    long arg1 = v.guest().getLong(request + 8);
    long arg2 = v.guest().getLong(request + 16);
    Mmu mmu = v.domain().mmu();
    if (tables != mmu) {
      return foreign(v, tables, command, arg1, arg2);
    }
    switch (command) {
      case TLB_FLUSH_LOCAL -> v.invalidate(Invalidation.ALL);
      case INVLPG_LOCAL -> v.invalidate(Invalidation.page(arg1));
      case TLB_FLUSH_MULTI -> {
        return flushSet(v, Invalidation.ALL, arg2);
      }
      case INVLPG_MULTI -> {
        return flushSet(v, Invalidation.page(arg1), arg2);
      }
      case TLB_FLUSH_ALL -> mmu.flushTlb();
      case INVLPG_ALL -> v.domain().invalidate(Invalidation.page(arg1));
      default -> {
        return command <= PIN_L4 && command >= PIN_L1
            ? mmu.roots().pin(command - PIN_L1 + 1, arg1, v.tableWork())
            : tablesAndPages(v, mmu, command, arg1, arg2);
      }
    }
    return 0;
  }

  /** What a privileged domain may do to another's tables; the rest concerns the caller's vCPUs. */
  private static int foreign(Vcpu v, Mmu tables, int command, long arg1, long arg2) {
    return switch (command) {
      case PIN_L1, PIN_L2, PIN_L3, PIN_L4 ->
          tables.roots().pin(command - PIN_L1 + 1, arg1, v.tableWork());
      case UNPIN -> tables.roots().unpin(arg1, v.tableWork());
      case CLEAR_PAGE -> tables.entries().clearPage(arg1);
      case COPY_PAGE -> tables.entries().copyPage(arg1, arg2);
      case MARK_SUPER, UNMARK_SUPER -> -Errno.EOPNOTSUPP;
      case NEW_BASEPTR,
          TLB_FLUSH_LOCAL,
          INVLPG_LOCAL,
          TLB_FLUSH_MULTI,
          INVLPG_MULTI,
          TLB_FLUSH_ALL,
          INVLPG_ALL,
          FLUSH_CACHE,
          SET_LDT,
          NEW_USER_BASEPTR,
          FLUSH_CACHE_GLOBAL ->
          -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  private static int tablesAndPages(Vcpu v, Mmu mmu, int command, long arg1, long arg2) {
    return switch (command) {
      case UNPIN -> mmu.roots().unpin(arg1, v.tableWork());
      case NEW_BASEPTR -> mmu.roots().newBasePointer(v, arg1, v.tableWork());
      case FLUSH_CACHE -> mmu.io().hasAny() ? 0 : -Errno.EACCES;
      case SET_LDT -> setLdt(v, mmu, arg1, arg2);
      case NEW_USER_BASEPTR ->
          mmu.roots()
              .newUserBasePointer(v, arg1, !v.domain().assist(VmAssist.M2P_STRICT), v.tableWork());
      case CLEAR_PAGE -> mmu.entries().clearPage(arg1);
      case COPY_PAGE -> mmu.entries().copyPage(arg1, arg2);
      case FLUSH_CACHE_GLOBAL -> mmu.io().hasAny() ? 0 : -Errno.EINVAL;
      case MARK_SUPER, UNMARK_SUPER -> -Errno.EOPNOTSUPP;
      default -> -Errno.ENOSYS;
    };
  }

  private static int setLdt(Vcpu v, Mmu mmu, long base, long entries) {
    int count = (int) entries; // a 32-bit field, with whatever was there before behind it
    if (count == 0) {
      return mmu.setLdt(v, 0, 0); // none: where it would be does not matter
    }
    return DescriptorTables.ldtAllowed(base, count) ? mmu.setLdt(v, base, count) : -Errno.EINVAL;
  }

  private static int flushSet(Vcpu v, long invalidation, long set) {
    try {
      v.namedVcpus().read(v.guest(), set);
    } catch (GuestFault unreadable) {
      return -Errno.EINVAL;
    }
    v.domain().invalidate(invalidation, v.namedVcpus());
    return 0;
  }
}

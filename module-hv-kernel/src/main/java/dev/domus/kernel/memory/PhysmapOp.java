package dev.domus.kernel.memory;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.grant.GrantTable;
import dev.domus.kernel.mmu.Physmap;
import java.util.Optional;

/**
 * What memory_op does to a translated domain's guest-physical map (public/memory.h of Xen 4.17).
 * Numbers are guest frames; a machine frame's number is never told.
 *
 * <pre>
 *   xen_add_to_physmap (24):      u16 domid@0, u16 size@2, u32 space@4, u64 idx@8, u64 gpfn@16
 *   xen_remove_from_physmap (16): u16 domid@0, u64 gpfn@8
 * </pre>
 *
 * <p>Unlike Xen, a number that is taken is refused (−EEXIST) and RAM leaves its number only with
 * decrease_reservation, so no memory is lost sight of.
 */
final class PhysmapOp {
  static final int ADD_TO_PHYSMAP = 7, REMOVE_FROM_PHYSMAP = 15;
  private static final int SHARED_INFO = 0, GRANT_TABLE = 1, GMFN = 2;

  private PhysmapOp() {}

  /** populate_physmap of one extent, whose first number stands at an address. */
  static boolean populate(Vcpu v, Physmap physmap, long at, int order) {
    return physmap.populate(v.guest().getLong(at), order);
  }

  /** decrease_reservation of one extent. */
  static boolean decrease(Vcpu v, Physmap physmap, long at, int order) {
    long first = v.guest().getLong(at);
    for (long gfn = first; gfn - first < 1L << order; gfn++) {
      if (!physmap.giveBack(gfn)) {
        return false;
      }
    }
    return true;
  }

  static long add(Vcpu v, long arg) {
    int domid = v.guest().getShort(arg);
    int space = v.guest().getInt(arg + 4);
    long index = v.guest().getLong(arg + 8);
    long gfn = v.guest().getLong(arg + 16);
    Domain target = TargetMemory.domain(v, domid);
    int error = error(v, domid, target, ADD_TO_PHYSMAP);
    if (error != 0) {
      return error;
    }
    Physmap physmap = target.physmap().orElseThrow();
    return switch (space) {
      case SHARED_INFO ->
          index == 0 ? done(physmap.addShared(gfn, target.sharedInfo() >>> 12)) : -Errno.EINVAL;
      case GRANT_TABLE -> addGrantTable(target.grants(), physmap, index, gfn);
      case GMFN -> done(physmap.move(index, gfn));
      default -> -Errno.EINVAL; // foreign frames are mapped by grants, devices have none
    };
  }

  private static long addGrantTable(GrantTable grants, Physmap physmap, long index, long gfn) {
    if (index < 0 || index >= GrantTable.MAX_FRAMES) {
      return -Errno.EINVAL;
    }
    return grants.grow((int) index + 1)
        ? done(physmap.addShared(gfn, grants.frame((int) index)))
        : -Errno.ENOMEM;
  }

  private static long done(boolean added) {
    return added ? 0 : -Errno.EEXIST;
  }

  static long remove(Vcpu v, long arg) {
    int domid = v.guest().getShort(arg);
    long gfn = v.guest().getLong(arg + 8);
    Domain target = TargetMemory.domain(v, domid);
    int error = error(v, domid, target, REMOVE_FROM_PHYSMAP);
    if (error != 0) {
      return error;
    }
    return target.physmap().orElseThrow().removeShared(gfn) ? 0 : -Errno.ENOENT;
  }

  private static int error(Vcpu v, int domid, Domain target, int command) {
    int error = TargetMemory.error(v, domid, Operation.ADJUST_MEMORY, command);
    if (error != 0) {
      return error;
    }
    Optional<Domain> found = Optional.ofNullable(target);
    return found.isEmpty()
        ? -Errno.ESRCH
        : found.get().physmap().isEmpty() ? -Errno.EINVAL : 0; // a direct-paged domain has none
  }
}

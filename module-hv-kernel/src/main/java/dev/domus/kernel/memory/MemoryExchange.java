package dev.domus.kernel.memory;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.access.Operation;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.hypercall.Hypercall;
import dev.domus.kernel.mmu.Mmu;
import dev.domus.memory.FrameAllocator;

/**
 * XENMEM_exchange: gives frames up for as many others, in blocks of another size (xen-pv-abi.md,
 * 13).
 *
 * <pre>
 *   xen_memory_exchange (72): reservation in@0, reservation out@32, u64 nr_exchanged@64 (in and out)
 *   xen_memory_reservation (32): u64 extent_start@0, u64 nr_extents@8, u32 extent_order@16, u32 mem_flags@20, u16 domid@24
 * </pre>
 *
 * <p>Work goes in chunks: as many extents of the smaller order as make one of the larger. A chunk
 * is exchanged wholly or not at all; {@code nr_exchanged} says how many input extents are done.
 * Both lists are checked over their whole length before the first chunk (XSA-212); the node in
 * mem_flags is not looked at (XSA-231).
 */
final class MemoryExchange {
  private static final int IN = 0, OUT = 32, NR_EXCHANGED = 64;
  private static final int COMMAND_MASK = 63;
  private static final int NR_EXTENTS = 8, EXTENT_ORDER = 16, DOMID = 24;

  private MemoryExchange() {}

  static long call(Vcpu v, long command, long arg) {
    long in = v.guest().getLong(arg + IN);
    long inCount = v.guest().getLong(arg + IN + NR_EXTENTS);
    int inOrder = v.guest().getInt(arg + IN + EXTENT_ORDER);
    int domid = v.guest().getShort(arg + IN + DOMID);
    long out = v.guest().getLong(arg + OUT);
    long outCount = v.guest().getLong(arg + OUT + NR_EXTENTS);
    int outOrder = v.guest().getInt(arg + OUT + EXTENT_ORDER);
    long done = v.guest().getLong(arg + NR_EXCHANGED);
    v.guest().requireWritable(arg + NR_EXCHANGED, 8);
    if (Integer.compareUnsigned(inOrder, FrameAllocator.MAX_ORDER) > 0
        || Integer.compareUnsigned(outOrder, FrameAllocator.MAX_ORDER) > 0) {
      return -Errno.EPERM;
    }
    if (Long.compareUnsigned(done, inCount) > 0
        || v.guest().getShort(arg + OUT + DOMID) != domid
        || Long.compareUnsigned(-1L >>> inOrder, inCount) < 0
        || Long.compareUnsigned(-1L >>> outOrder, outCount) < 0
        || inCount << inOrder != outCount << outOrder) {
      return -Errno.EINVAL;
    }
    if (done == inCount) {
      return 0;
    }
    if (!listOk(in, inCount) || !listOk(out, outCount)) {
      return -Errno.EFAULT;
    }
    int error = TargetMemory.error(v, domid, Operation.ADJUST_MEMORY, (int) command & COMMAND_MASK);
    if (error != 0) {
      return error;
    }
    Domain target = TargetMemory.domain(v, domid);
    if (target == null) {
      return -Errno.ESRCH;
    }
    if (target.physmap().isPresent()) {
      return -Errno.EOPNOTSUPP;
    }
    return chunks(v, target.mmu(), command, arg, in, inOrder, out, outOrder, inCount, done);
  }

  /** Of a list that is too long for any address space, too. */
  private static boolean listOk(long list, long count) {
    return count >= 0 && count < 1L << 45 && GuestAccess.addressOk(list, count * 8);
  }

  private static long chunks(
      Vcpu v,
      Mmu mmu,
      long command,
      long arg,
      long in,
      int inOrder,
      long out,
      int outOrder,
      long inCount,
      long alreadyDone) {
    int order = Math.max(inOrder, outOrder);
    int inPerChunk = 1 << order - inOrder;
    int outPerChunk = 1 << order - outOrder;
    long[] old = new long[1 << order];
    long[] pfns = new long[outPerChunk];
    long[] fresh = new long[outPerChunk];
    long done = alreadyDone;
    long result = 0;
    while (inCount - done >= inPerChunk) {
      long outAt = out + 8 * (done / inPerChunk * outPerChunk);
      for (int i = 0; i < inPerChunk; i++) {
        long mfn = v.guest().getLong(in + 8 * (done + i));
        for (int each = 0; each < 1 << inOrder; each++) {
          old[(i << inOrder) + each] = mfn + each;
        }
      }
      v.guest().requireWritable(outAt, 8L * outPerChunk);
      for (int i = 0; i < outPerChunk; i++) {
        pfns[i] = v.guest().getLong(outAt + 8L * i);
      }
      result = mmu.exchange(old, outOrder, fresh);
      if (result != 0) {
        break;
      }
      enter(v, mmu, outAt, pfns, fresh, outOrder);
      done += inPerChunk;
      v.guest().putLong(arg + NR_EXCHANGED, done);
      if (inCount - done >= inPerChunk && v.mustPreempt()) {
        v.continuation().leave(command, arg);
        return Hypercall.CONTINUE;
      }
    }
    return result;
  }

  private static void enter(Vcpu v, Mmu mmu, long outAt, long[] pfns, long[] fresh, int outOrder) {
    for (int i = 0; i < fresh.length; i++) {
      for (int each = 0; each < 1 << outOrder; each++) {
        mmu.setPfn(fresh[i] + each, pfns[i] + each);
      }
      v.guest().putLong(outAt + 8L * i, fresh[i]);
    }
  }
}

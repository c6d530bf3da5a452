package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.EPERM;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/** What memory_op answers and does (xen-pv-abi.md, 13): a part of {@link MemoryModel}. */
final class ReservationModel {
  private static final int MAX_ORDER = 18;

  private final MemoryModel model;

  ReservationModel(MemoryModel model) {
    this.model = model;
  }

  /** How many frames a domain has. */
  long pages(int domid) {
    return model.frames.frames.values().stream()
        .filter(f -> f.owner == domid && !f.special)
        .count();
  }

  /**
   * increase_reservation and populate_physmap.
   *
   * @param named whose reservation is meant
   * @param list 0 for none
   * @param chosen the frame that the allocator has found for an extent
   */
  int allocate(
      int domid,
      int named,
      boolean populate,
      long list,
      int count,
      int order,
      LongUnaryOperator chosen) {
    int[] target = new int[1];
    if (model.attempt(() -> target[0] = whose(domid, named)) != 0
        || !FrameModel.addressOk(list, 8L * count)) {
      return 0;
    }
    for (int i = 0; i < count; i++) {
      long at = list + 8L * i;
      long extent = i;
      int error =
          model.attempt(() -> {
            if (list != 0 || populate) {
              model.requireWritable(domid, at);
            }
            long pfn = populate ? model.read(domid, at) : 0;
            if (pages(target[0]) + (1L << order) > model.domain(target[0]).maxPages) {
              throw new Refused(EINVAL);
            }
            long mfn = chosen.applyAsLong(extent);
            adopt(target[0], mfn, order, populate, pfn);
            if (list != 0) {
              model.write(domid, at, mfn);
            }
          });
      if (error != 0) {
        return i;
      }
    }
    return count;
  }

  private void adopt(int domid, long mfn, int order, boolean known, long pfn) {
    for (int i = 0; i < 1 << order; i++) {
      ModelFrame f = new ModelFrame(mfn + i, domid, false, false);
      f.pfn = known ? pfn + i : -1;
      if ((mfn & (1 << order) - 1) != 0 || model.frames.frames.put(f.mfn, f) != null) {
        throw new AssertionError("the allocator gave out what is not free: mfn=" + f.mfn);
      }
    }
  }

  /** decrease_reservation. */
  int decrease(int domid, int named, long list, int count, int order) {
    int[] target = new int[1];
    if (model.attempt(() -> target[0] = whose(domid, named)) != 0) {
      return 0;
    }
    for (int i = 0; i < count; i++) {
      long at = list + 8L * i;
      long first;
      try {
        first = model.read(domid, at);
      } catch (Refused unreadable) {
        return i;
      }
      for (long mfn = first; mfn < first + (1 << order); mfn++) {
        long each = mfn;
        if (model.attempt(() -> giveBack(target[0], each)) != 0) {
          return i;
        }
      }
    }
    return count;
  }

  private void giveBack(int domid, long mfn) {
    ModelFrame f = model.frames.own(mfn, domid);
    if (f.special || f.references != 1 || f.typeCount != 0 || !f.allocated) {
      throw new Refused(EINVAL);
    }
    model.frames.frames.remove(mfn);
  }

  /** What exchange is asked for. */
  record Exchange(long in, int inCount, int inOrder, long out, int outCount, int outOrder) {}

  /** exchange. */
  int exchange(int domid, int named, Exchange x, long doneAt, LongUnaryOperator chosen) {
    if (x.inOrder > MAX_ORDER || x.outOrder > MAX_ORDER) {
      return -EPERM;
    }
    if (x.inCount << x.inOrder != x.outCount << x.outOrder) {
      return -EINVAL;
    }
    if (x.inCount == 0) {
      return 0;
    }
    if (!FrameModel.addressOk(x.in, 8L * x.inCount)
        || !FrameModel.addressOk(x.out, 8L * x.outCount)) {
      return -EFAULT;
    }
    int[] target = new int[1];
    int error = model.attempt(() -> target[0] = whose(domid, named));
    if (error != 0) {
      return error;
    }
    int order = Math.max(x.inOrder, x.outOrder);
    int inChunk = 1 << order - x.inOrder;
    int outChunk = 1 << order - x.outOrder;
    for (int done = 0; done + inChunk <= x.inCount; done += inChunk) {
      int from = done;
      error =
          model.attempt(() -> chunk(domid, target[0], x, from, inChunk, outChunk, doneAt, chosen));
      if (error != 0) {
        return error;
      }
    }
    return 0;
  }

  private void chunk(
      int domid,
      int target,
      Exchange x,
      int from,
      int inChunk,
      int outChunk,
      long doneAt,
      LongUnaryOperator chosen) {
    List<Long> old = new ArrayList<>();
    for (int i = 0; i < inChunk; i++) {
      long first = model.read(domid, x.in + 8L * (from + i));
      for (int each = 0; each < 1 << x.inOrder; each++) {
        old.add(first + each);
      }
    }
    old.forEach(mfn -> giveBack(target, mfn));
    int out = from / inChunk * outChunk;
    for (int i = out; i < out + outChunk; i++) {
      long at = x.out + 8L * i;
      long pfn = model.read(domid, at);
      long mfn = chosen.applyAsLong(i);
      adopt(target, mfn, x.outOrder, true, pfn);
      model.write(domid, at, mfn);
    }
    model.write(domid, doneAt, from + inChunk);
  }

  /** current_reservation, maximum_reservation, maximum_gpfn. */
  long question(int domid, int command, int named) {
    int[] target = new int[1];
    int error = model.attempt(() -> target[0] = whose(domid, named));
    if (error != 0) {
      return error;
    }
    long most = model.domain(target[0]).maxPages;
    return command == 3 ? pages(target[0]) : command == 4 ? most : most - 1;
  }

  private int whose(int caller, int named) {
    return named == MemoryModel.SELF ? caller : model.other(caller, named, false);
  }
}

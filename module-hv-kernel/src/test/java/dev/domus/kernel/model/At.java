package dev.domus.kernel.model;

import dev.domus.memory.paging.Pte;

/**
 * A frame as steps name it: by domain and the slot in which that keeps it, so that a sequence means
 * the same when some of its steps are left out.
 *
 * @param slot below {@link ModelDomain#SLOTS} a page of the domain's, from there on one of the
 *     special ones
 */
record At(int domain, int slot) {
  /** Frames that are in no slot. From {@link #IO} on there are frames that are not RAM. */
  static final int SHARED_INFO = ModelDomain.SLOTS,
      GRANTS = SHARED_INFO + 1,
      BEYOND = SHARED_INFO + 2,
      ALL_ONES = SHARED_INFO + 3,
      M2P = SHARED_INFO + 4,
      HYPERVISOR = SHARED_INFO + 5,
      FREE = SHARED_INFO + 6,
      IO = SHARED_INFO + 7,
      END = IO + 3;

  /** The machine frame number; may be one that does not exist. */
  long mfn(Twin twin) {
    return switch (slot) {
      case SHARED_INFO -> twin.state(domain).sharedInfo;
      case GRANTS -> twin.state(domain).grantFrame;
      case BEYOND -> Twin.FRAMES + 7;
      case ALL_ONES -> 0xFF_FFFF_FFFFL;
      case M2P -> 1;
      case HYPERVISOR -> Pte.mfn(twin.model().frames.m2pEntry);
      case FREE -> Twin.FRAMES - 1;
      default -> {
        if (slot >= IO) {
          yield Twin.FIRST_IO_FRAME + slot - IO;
        }
        long mfn = twin.state(domain).slots[slot];
        yield mfn < 0 ? Twin.FRAMES + 9 : mfn;
      }
    };
  }

  /** The machine address of a word; of frames with words that the hypervisor uses, a free one. */
  long word(Twin twin, int index) {
    ModelFrame f = twin.model().frames.frames.get(mfn(twin));
    return (mfn(twin) << 12) + 8L * (f != null && f.opaque ? 500 : index);
  }

  @Override
  public String toString() {
    return "d"
        + domain
        + switch (slot) {
          case SHARED_INFO -> ".shared_info";
          case GRANTS -> ".grants";
          case BEYOND -> ".beyond_ram";
          case ALL_ONES -> ".all_ones";
          case M2P -> ".m2p";
          case HYPERVISOR -> ".hypervisor";
          case FREE -> ".free_frame";
          default -> slot >= IO ? ".io" + (slot - IO) : ".p" + slot;
        };
  }
}

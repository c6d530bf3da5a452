package dev.domus.kernel.mmu;

import dev.domus.memory.FrameTable;

/** What devices of a domain may reach, said in other words than the code that keeps it. */
final class DeviceReference {
  private DeviceReference() {}

  /** Whether a frame is the domain's, ordinary, and neither a table nor a descriptor page. */
  static boolean isReached(FrameTable frames, int domid, long mfn) {
    boolean tableOrDescriptors =
        frames.typeCount(mfn) > 0
            && switch (frames.type(mfn)) {
              case FrameTable.L1, FrameTable.L2, FrameTable.L3, FrameTable.L4 -> true;
              case FrameTable.SEGDESC -> true;
              default -> false;
            };
    return frames.owner(mfn) == domid && !frames.isSpecial(mfn) && !tableOrDescriptors;
  }
}

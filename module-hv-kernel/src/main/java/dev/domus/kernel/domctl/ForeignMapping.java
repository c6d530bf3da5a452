package dev.domus.kernel.domctl;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.mmu.MachineFrames;
import dev.domus.memory.PhysToMachine;
import dev.domus.memory.Window;
import java.util.Optional;

/**
 * A privileged domain's window on another domain's frames. It holds a reference on each of them,
 * and a writable one where it may write, so that none can be freed or become a page table
 * meanwhile.
 */
final class ForeignMapping {
  private ForeignMapping() {}

  static Optional<Window> open(
      Hypervisor hypervisor, Domain domain, long firstPfn, int pages, boolean writable) {
    MachineFrames frames = hypervisor.machineFrames();
    long[] mfns = new long[pages];
    for (int i = 0; i < pages; i++) {
      long mfn = domain.mmu().p2m().mfn(firstPfn + i);
      boolean taken =
          mfn != PhysToMachine.NONE
              && (writable
                  ? frames.getWritable(domain.domid(), mfn)
                  : frames.get(domain.domid(), mfn));
      if (!taken) {
        release(frames, mfns, i, writable);
        return Optional.empty();
      }
      mfns[i] = mfn;
    }
    return Optional.of(
        Window.of(
            hypervisor.memory(),
            hypervisor.codeFrames(),
            writable,
            () -> release(frames, mfns, pages, writable),
            mfns));
  }

  private static void release(MachineFrames frames, long[] mfns, int count, boolean writable) {
    for (int i = 0; i < count; i++) {
      if (writable) {
        frames.putWritable(mfns[i]);
      } else {
        frames.put(mfns[i]);
      }
    }
  }
}

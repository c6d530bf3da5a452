package dev.domus.kernel.driver;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.dma.DmaSpace;
import dev.domus.iommu.iova.IovaAllocator;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.DmaMode;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.mmu.HeldFrames;
import dev.domus.kernel.passthrough.MachineIommu;
import dev.domus.kernel.pci.PciFunction;
import dev.domus.kernel.service.HypercallException;

/**
 * The address space of one function of a service domain, and who has the function open. Under its
 * monitor a function is opened and ended, so an end finds what has been opened, or it is opened no
 * more. Thread-safe.
 */
final class DriverSpace {
  /** More than machines have memory, so that a space does not run out before memory does. */
  private static final long END = 1L << 40;

  private final MachineIommu iommu;
  private final PciFunction function;
  private final IoDomain domain;
  private OpenDevice open;
  private boolean ended;

  /**
   * Makes a space in which nothing is mapped.
   *
   * @throws IllegalStateException if there is no memory for it
   */
  DriverSpace(MachineIommu iommu, PciFunction function) {
    this.iommu = iommu;
    this.function = function;
    domain = iommu.unit().newDomain(IommuUnit.USUAL_LEVELS, false);
  }

  IoDomain domain() {
    return domain;
  }

  synchronized OpenDevice open(Domain owner, DmaModeFactory factory, long gfn, DriverCalls calls) {
    if (ended) {
      throw new HypercallException(
          Errno.ENODEV, "function %s is being taken away".formatted(function.id()));
    }
    if (open != null) {
      throw new HypercallException(
          Errno.EBUSY,
          "function %s is open already, in mode %s; close it first"
              .formatted(function.id(), open.mode()));
    }
    ModeMemory memory = ModeMemory.take(owner, factory, gfn, calls);
    DmaMode mode = null;
    try {
      DmaSpace space = new DmaSpace(domain, new IovaAllocator(END));
      mode =
          factory.create(
              new ModeResources(
                  function.id(),
                  space,
                  memory.mfns().clone(),
                  owner.hypervisor().memory(),
                  owner.hypervisor().codeFrames()));
      if (factory.bypassesIommu()) {
        iommu.unit().passThrough(function.id());
      }
      open = new OpenDevice(this, function, owner, factory, mode, space, memory, calls);
      return open;
    } finally {
      if (open == null) {
        if (mode != null) {
          mode.close();
        }
        memory.release();
      }
    }
  }

  /** The driver lets the device go: it is stopped, then everything is closed. */
  void close(OpenDevice device) {
    device.shut(); // without the monitor: who is inside may be slow
    synchronized (this) {
      if (open != device) {
        return;
      }
      device.stop();
      if (device.bypassesIommu()) {
        iommu.unit().attach(function.id(), domain);
      }
      device.release();
      open = null;
    }
  }

  /** The function is being taken: no call of its driver is under way any more. */
  void end() {
    OpenDevice last;
    synchronized (this) {
      ended = true;
      last = open;
    }
    if (last != null) {
      last.shut();
    }
  }

  /** The function reaches nothing any more: everything is given back. */
  synchronized void close() {
    ended = true;
    if (open != null) {
      open.release();
      open = null;
    }
    domain.close();
  }

  /** Pages of the driver's domain that a mode has. */
  record ModeMemory(long[] mfns, Runnable releaser) {
    static ModeMemory take(Domain owner, DmaModeFactory factory, long gfn, DriverCalls calls) {
      int pages = factory.memoryPages();
      if (pages == 0) {
        return new ModeMemory(new long[0], () -> {});
      }
      calls.populate(gfn, pages);
      HeldFrames held =
          owner
              .physmap()
              .orElseThrow()
              .hold(gfn, pages, true)
              .orElseThrow(() ->
                  new HypercallException(
                      Errno.ESRCH, "domain %d is going".formatted(owner.domid())));
      return new ModeMemory(
          held.mfns(),
          () -> {
            held.release();
            try {
              calls.giveBack(gfn, pages);
            } catch (HypercallException going) {
              // They go with the domain, or its driver has given them away.
            }
          });
    }

    void release() {
      releaser.run();
    }
  }
}

package dev.domus.kernel.passthrough;

import static dev.domus.kernel.abi.Errno.EEXIST;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.abi.Errno.ENODEV;
import static dev.domus.kernel.abi.Errno.ENOSPC;
import static dev.domus.kernel.abi.Errno.EPERM;
import static dev.domus.kernel.abi.Errno.ESRCH;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.event.EventChannels;
import dev.domus.kernel.pci.PciFunction;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/**
 * The PCI functions that one domain has, and its physical interrupts (PIRQs).
 *
 * <h2>From a vector to a port</h2>
 *
 * <pre>
 *   device: interrupt(vector)
 *     -> message of the vector, unless masked        pci.Messages
 *     -> interrupt remapping by requester id         pci.MessageTable
 *     -> PIRQ of the domain                          Pirq
 *     -> port that it is bound to, pending           event.EventChannels
 * </pre>
 *
 * None of these steps takes a lock or allocates. So a message may be on its way while what it was
 * for is taken away; it then finds no message, no PIRQ, no port, or, as any late event does, a port
 * that it does not belong to and which is not made pending for it ({@link
 * EventChannels#raisePirq}). After the domain's end its ports deliver to nobody.
 *
 * <h2>Locks</h2>
 *
 * The domain's lock here is held for bookkeeping alone, never while a device is waited for: {@link
 * Assignments} does that before it adds a function and after it has removed one. So hypercalls that
 * map interrupts do not wait for devices, and a PIRQ exists only for a function that is in the
 * list. Thread-safe.
 */
public final class DomainDevices {
  private final int domid;
  private final EventChannels events;
  private final MachineIommu iommu;
  private final DomainSpace space = new DomainSpace();
  private final LongAdder faults = new LongAdder();
  private final PirqTable pirqs = new PirqTable();
  private final List<PciFunction> functions = new ArrayList<>();
  private boolean closed;

  /** A domain without devices. */
  public DomainDevices(int domid, EventChannels events, MachineIommu iommu) {
    this.domid = domid;
    this.events = events;
    this.iommu = iommu;
  }

  /** Whose they are. */
  public int domid() {
    return domid;
  }

  /** What its functions reach of memory. */
  DomainSpace space() {
    return space;
  }

  /** Counts accesses of its functions to memory that were refused. */
  void countFaults(long count) {
    faults.add(count);
  }

  /** How many accesses of its functions to memory were refused. */
  public long faults() {
    return faults.sum();
  }

  // ---- functions

  /** What it has. */
  public List<PciFunction> functions() {
    pirqs.lock();
    try {
      return List.copyOf(functions);
    } finally {
      pirqs.unlock();
    }
  }

  /** Says whether it has any. */
  public boolean isEmpty() {
    return functions().isEmpty();
  }

  /** Adds a function that has been attached; false if the domain is going. */
  boolean add(PciFunction function) {
    pirqs.lock();
    try {
      return !closed && functions.add(function);
    } finally {
      pirqs.unlock();
    }
  }

  /** Removes a function and unmaps its interrupts; false if the domain does not have it. */
  boolean remove(PciFunction function) {
    pirqs.lock();
    try {
      if (!functions.remove(function)) {
        return false;
      }
      for (int number = 0; number < pirqs.end(); number++) {
        Pirq pirq = pirqs.get(number);
        if (pirq != null && pirq.isFor(function)) {
          pirq.unmap();
        }
      }
      return true;
    } finally {
      pirqs.unlock();
    }
  }

  /** Lets none be added any more; says which there are. */
  List<PciFunction> close() {
    pirqs.lock();
    try {
      closed = true;
      return List.copyOf(functions);
    } finally {
      pirqs.unlock();
    }
  }

  // ---- physical interrupts: each answers 0, a number, or a negated error number

  /**
   * PHYSDEVOP_map_pirq: gives a vector of one of the domain's functions a number.
   *
   * @param id the function
   * @param msix whether the vector is an entry of an MSI-X table, else it is the one of MSI
   * @param wanted a number that is free, or a negative one for the lowest
   * @return the number; −ENODEV if the domain has no such function, −EINVAL if that has no such
   *     vector or the number is out of range, −EEXIST if vector or number is in use, −ENOSPC
   */
  public int mapPirq(RequesterId id, int vector, boolean msix, int wanted) {
    pirqs.lock();
    try {
      PciFunction function = find(id);
      if (function == null) {
        return -ENODEV;
      }
      InterruptKind kind = msix ? InterruptKind.MSI_X : InterruptKind.MSI;
      int vectors = msix ? function.spec().vectors() : 1;
      if (function.spec().interrupts() != kind
          || Integer.compareUnsigned(vector, vectors) >= 0
          || wanted >= 0 && !PirqTable.inRange(wanted)) {
        return -EINVAL;
      }
      if (isMapped(function, vector) || wanted >= 0 && !pirqs.isAvailable(wanted)) {
        return -EEXIST;
      }
      int number = wanted >= 0 ? wanted : pirqs.lowestFree();
      return number < 0 ? -ENOSPC : map(new Pirq(number, pirqs, events, function, vector));
    } finally {
      pirqs.unlock();
    }
  }

  private int map(Pirq pirq) {
    try {
      pirq.map(iommu.messages());
    } catch (IllegalStateException full) {
      return -ENOSPC;
    }
    pirqs.put(pirq);
    return pirq.number();
  }

  private PciFunction find(RequesterId id) {
    for (PciFunction function : functions) {
      if (function.id().equals(id)) {
        return function;
      }
    }
    return null;
  }

  private boolean isMapped(PciFunction function, int vector) {
    for (int number = 0; number < pirqs.end(); number++) {
      Pirq pirq = pirqs.get(number);
      if (pirq != null && pirq.isFor(function, vector)) {
        return true;
      }
    }
    return false;
  }

  /**
   * PHYSDEVOP_unmap_pirq: the number stands for nothing any more. A port that is bound to it stays
   * until it is closed, and hears nothing; until then the number is not free.
   *
   * @return 0, or −EINVAL if it stood for nothing
   */
  public int unmapPirq(int number) {
    pirqs.lock();
    try {
      Pirq pirq = pirqs.get(number);
      if (pirq != null && pirq.isMapped()) {
        pirq.unmap();
        return 0;
      }
      if (pirqs.isReserved(number)) {
        pirqs.free(number);
        return 0;
      }
      return -EINVAL;
    } finally {
      pirqs.unlock();
    }
  }

  /**
   * PHYSDEVOP_get_free_pirq: a number that nobody else is given, for a later map_pirq.
   *
   * @return the number or −ENOSPC
   */
  public int reservePirq() {
    pirqs.lock();
    try {
      if (closed) {
        return -ESRCH;
      }
      int number = pirqs.lowestFree();
      if (number < 0) {
        return -ENOSPC;
      }
      pirqs.reserve(number);
      return number;
    } finally {
      pirqs.unlock();
    }
  }

  /** Says whether a number stands for a vector. */
  public boolean isMapped(int number) {
    pirqs.lock();
    try {
      Pirq pirq = pirqs.get(number);
      return pirq != null && pirq.isMapped();
    } finally {
      pirqs.unlock();
    }
  }

  /** Says whether a number could stand for something. */
  public static boolean isPirq(int number) {
    return PirqTable.inRange(number);
  }

  /**
   * EVTCHNOP_bind_pirq.
   *
   * @return the port; −EINVAL if the number is out of range, −EPERM if it stands for nothing, else
   *     as {@link EventChannels#bindPirq}
   */
  public int bindPirq(int number) {
    if (Integer.compareUnsigned(number, PirqTable.LIMIT) >= 0) {
      return -EINVAL;
    }
    Pirq pirq;
    pirqs.lock();
    try {
      pirq = pirqs.get(number);
      if (pirq == null || !pirq.isMapped()) {
        return -EPERM;
      }
    } finally {
      pirqs.unlock();
    }
    return events.bindPirq(pirq); // which takes its own lock first
  }
}

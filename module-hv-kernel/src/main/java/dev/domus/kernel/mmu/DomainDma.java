package dev.domus.kernel.mmu;

import dev.domus.memory.FrameTable;
import java.util.HashMap;
import java.util.Map;

/**
 * How the memory of one domain and what its devices reach are kept in step.
 *
 * <h2>What devices reach</h2>
 *
 * A device does as its domain's software says, so it may do what that may: read and write the
 * frames that the domain has, and those that were granted to it and mapped for devices. It may not
 * write page tables or descriptor pages, or it would do what the hypervisor keeps the domain itself
 * from; nor may it read or write a frame that is somebody else's by now. Nor does it reach pages
 * that the hypervisor shares with the domain (shared info, grant tables), which no driver hands to
 * a device. As on Xen, I/O addresses of a PV domain are machine addresses.
 *
 * <pre>
 *   frame                                        devices       changed by
 *   nobody's, allocated                          nothing       MachineFrames.give: opened, then assigned
 *   the domain's: untyped, writable, a table
 *     that is one no more                        read, write
 *   BUSY, PARTIAL or VALIDATED as a table,
 *     in use or validated as descriptors         nothing       TableTypes: withdrawn between the exclusive
 *                                                              CAS and validation; opened when it is none
 *   stolen (exchange, transfer)                  nothing       MachineFrames.steal: taken, then withdrawn
 *   without references                           nothing       MachineFrames.free: withdrawn, then freed
 *   another's, granted and mapped for devices    as granted    GrantMappings
 * </pre>
 *
 * <h2>Strictly</h2>
 *
 * {@link DeviceReach#withdraw} returns when no access is under way. It stands where the domain's
 * TLBs are flushed, and for the same reason: after what excludes new users, before anybody relies
 * on there being none. Tables are validated after it, frames freed or handed on after it. So at no
 * time does a device reach a table in use or a frame that has another owner.
 *
 * <h2>Against races</h2>
 *
 * Frames leave a domain without its MMU lock, so whoever opens one must know that it does not go
 * meanwhile, or it would be open for ever: he holds a reference on it, or it is not yet anybody's.
 * Whoever takes a frame away first makes that so by CAS, then looks here. {@link #start} first
 * makes itself known, then looks for the frames there are, taking a reference on each; a frame that
 * goes at that moment has been found by one of the two. Types change under the MMU lock, which
 * {@link #start} holds while it looks at a frame.
 *
 * <p>A descriptor page keeps its type when nothing refers to it any more, so that the same use
 * again costs nothing. With devices it must not: it is open to them. So it is forgotten, and
 * validated anew.
 *
 * <h2>Cost</h2>
 *
 * A domain without devices pays one branch at each of these places.
 */
final class DomainDma {
  private final int domid;
  private final FrameTable frames;
  private volatile DeviceReach reach;

  /** Of others' frames that are mapped for devices: how often for reading, and for writing. */
  private final Map<Long, Grant> granted = new HashMap<>();

  private static final class Grant {
    int readers;
    int writers;
  }

  DomainDma(int domid, FrameTable frames) {
    this.domid = domid;
    this.frames = frames;
  }

  /** Says whether the domain has devices. */
  boolean isOn() {
    return reach != null;
  }

  /** Devices reach a frame of the domain's; see above for what the caller has to hold. */
  boolean open(long mfn) {
    DeviceReach devices = reach;
    return devices == null || devices.open(mfn, true);
  }

  /** Devices reach a frame no more. */
  void withdraw(long mfn) {
    DeviceReach devices = reach;
    if (devices != null) {
      devices.withdraw(mfn);
    }
  }

  // ---- the domain gets devices, and loses them

  /** From now on devices are kept in step; under the MMU lock. {@link #show} follows. */
  void start(DeviceReach devices) {
    reach = devices;
  }

  /**
   * Opens a frame if it is the domain's and may be reached; under the MMU lock.
   *
   * @return false if there is no memory for the tables
   */
  boolean show(long mfn, MachineFrames machine) {
    if (frames.owner(mfn) != domid || frames.isSpecial(mfn) || !frames.get(mfn, domid)) {
      return true;
    }
    boolean shown = isTable(mfn) || reach.open(mfn, true);
    machine.put(mfn);
    return shown;
  }

  private boolean isTable(long mfn) {
    frames.forgetType(mfn);
    return frames.typeCount(mfn) != 0 && frames.type(mfn) != FrameTable.WRITABLE;
  }

  /** Opens what is granted already; false if there is no memory for the tables. */
  synchronized boolean showGranted() {
    boolean shown = true;
    for (Map.Entry<Long, Grant> each : granted.entrySet()) {
      shown &= reach.open(each.getKey(), each.getValue().writers != 0);
    }
    return shown;
  }

  /** No device is the domain's any more; under the MMU lock. */
  void stop() {
    reach = null;
  }

  // ---- grants that are mapped for devices

  /**
   * A granted frame is mapped for devices; the caller holds what the grant gives of references.
   *
   * @return false, with nothing changed, if there is no memory for the tables
   */
  synchronized boolean openGranted(long mfn, boolean writable) {
    if (frames.owner(mfn) == domid) {
      return true; // it is open as the domain's own
    }
    Grant grant = granted.computeIfAbsent(mfn, fresh -> new Grant());
    boolean first = grant.readers + grant.writers == 0;
    DeviceReach devices = reach;
    if (devices != null && (first || writable && grant.writers == 0)) {
      devices.withdraw(mfn);
      if (!devices.open(mfn, writable)) {
        if (first) {
          granted.remove(mfn);
        }
        return false;
      }
    }
    if (writable) {
      grant.writers++;
    } else {
      grant.readers++;
    }
    return true;
  }

  /** Takes {@link #openGranted} back, before the references go. */
  synchronized void withdrawGranted(long mfn, boolean writable) {
    Grant grant = granted.get(mfn);
    if (grant == null) {
      return; // the domain's own
    }
    if (writable) {
      grant.writers--;
    } else {
      grant.readers--;
    }
    boolean last = grant.readers + grant.writers == 0;
    if (last) {
      granted.remove(mfn);
    }
    DeviceReach devices = reach;
    if (devices != null && (last || writable && grant.writers == 0)) {
      devices.withdraw(mfn);
      if (!last && !devices.open(mfn, false)) {
        throw new IllegalStateException("no memory for a table that was there: mfn=" + mfn);
      }
    }
  }
}

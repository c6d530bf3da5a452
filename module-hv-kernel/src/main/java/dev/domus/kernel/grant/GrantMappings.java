package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.mmu.AddressSpaces;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.memory.paging.Pte;
import java.util.Optional;

/**
 * What a guest has mapped of others' grants (xen-pv-abi.md, 12.3). Each mapping has a handle; its
 * host part is a page-table entry of the guest, its device part lets the guest's devices reach the
 * frame.
 *
 * <h2>Who owns the references</h2>
 *
 * <p>Each part holds a pin on the grant and a reference on the frame. The pin is this class's to
 * give back. The reference of a host part travels with the page-table entry: it is the entry's once
 * {@link GrantEntries#installGrant} has succeeded, and comes back when {@link
 * GrantEntries#removeGrant} has. So a guest that overwrites the entry by ordinary means gives up
 * the reference but not the pin, its handle can be unmapped no more, and nothing is put twice
 * (XSA-224). At the end of the domain the same rule serves: pins go here, references with the page
 * tables.
 *
 * <h2>Order</h2>
 *
 * <p>Mapping pins, references, writes the entry, then makes the handle live; whatever fails undoes
 * what went before. Unmapping claims the handle, so that no other vCPU can, checks all arguments,
 * and removes the entry. What that frees is given back only after the domain's translations have
 * been flushed, which takes as long as all its vCPUs need to notice: so a vCPU collects what it
 * unmaps in {@link PendingUnmaps} and flushes once for many. No lock is held while page tables are
 * changed.
 */
public final class GrantMappings {
  /** Flag of map_grant_ref. */
  public static final int DEVICE_MAP = 1,
      HOST_MAP = 2,
      READONLY = 4,
      APPLICATION_MAP = 8,
      CONTAINS_PTE = 16;

  private static final int GUEST_AVAIL_SHIFT = 16, PTE_AVAIL_SHIFT = 9;

  private final int domid;
  private final GrantMachine machine;
  private final MapTrack track;
  private final PendingUnmaps[] pending;

  GrantMappings(int domid, int vcpus, GrantMachine machine) {
    this.domid = domid;
    this.machine = machine;
    track = new MapTrack(vcpus);
    pending = new PendingUnmaps[vcpus];
    for (int i = 0; i < vcpus; i++) {
      pending[i] = new PendingUnmaps(i, track);
    }
  }

  /**
   * Maps a grant.
   *
   * @param v the calling vCPU
   * @param hostAddress where the host part goes: a virtual address, or the machine address of an
   *     entry
   * @param flags of the ABI
   * @return the handle, or a negative grant status
   */
  int map(
      AddressSpaces v, GrantEntries slots, long hostAddress, int flags, int ref, int granterDomid) {
    boolean host = (flags & HOST_MAP) != 0;
    boolean device = (flags & DEVICE_MAP) != 0;
    boolean writable = (flags & READONLY) == 0;
    if (!host && !device) {
      return GrantStatus.BAD_GNTREF;
    }
    Optional<GrantTable> found = machine.grants(granterDomid);
    if (found.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    GrantTable granter = found.get();
    int handle = track.allocate(v.id());
    if (handle < 0) {
      return GrantStatus.NO_SPACE;
    }
    long mfn = device ? mapDevice(ref, granter, writable) : 0;
    if (mfn >= 0 && host) {
      long deviceMfn = mfn;
      mfn = mapHost(v, slots, hostAddress, flags, ref, granter);
      if (mfn < 0 && device) {
        machine.withdrawFromDevices(deviceMfn, writable);
        granter.release(ref, deviceMfn, writable);
      }
    }
    if (mfn < 0) {
      track.release(v.id(), handle);
      return (int) mfn;
    }
    Mapping mapping = track.find(handle);
    mapping.granter = granter;
    mapping.ref = ref;
    mapping.mfn = mfn;
    mapping.publish(
        (host ? Mapping.HOST : 0)
            | (device ? Mapping.DEVICE : 0)
            | (writable ? 0 : Mapping.READONLY)
            | ((flags & CONTAINS_PTE) != 0 ? Mapping.CONTAINS_PTE : 0));
    return handle;
  }

  private long mapDevice(int ref, GrantTable granter, boolean writable) {
    long mfn = granter.acquire(ref, domid, writable);
    if (mfn >= 0 && !machine.openToDevices(mfn, writable)) {
      granter.release(ref, mfn, writable);
      return GrantStatus.NO_SPACE;
    }
    return mfn;
  }

  private long mapHost(
      AddressSpaces v,
      GrantEntries slots,
      long hostAddress,
      int flags,
      int ref,
      GrantTable granter) {
    boolean writable = (flags & READONLY) == 0;
    long mfn = granter.acquire(ref, domid, writable);
    if (mfn < 0) {
      return mfn;
    }
    long bits = Pte.P | Pte.A | Pte.D | Pte.NX;
    bits |= writable ? Pte.W : 0;
    bits |= (flags & APPLICATION_MAP) != 0 ? Pte.U : 0;
    bits |= (long) (flags >>> GUEST_AVAIL_SHIFT) << PTE_AVAIL_SHIFT & Pte.AVAIL;
    int status = slots.installGrant(v, hostAddress, Pte.of(mfn, bits), (flags & CONTAINS_PTE) != 0);
    if (status != GrantStatus.OKAY) {
      granter.release(ref, mfn, writable);
      return status;
    }
    return mfn;
  }

  /** What is mapped, for tests: who holds references. */
  MapTrack track() {
    return track;
  }

  /** Machine address that a device finds the frame of a live mapping at. */
  long deviceAddress(int handle) {
    return track.find(handle).mfn << 12;
  }

  /**
   * Unmaps the parts of a mapping that the addresses name; 0 names none. The caller owes {@link
   * #finishUnmaps} before the hypercall returns, and before {@link PendingUnmaps#ROOM} are
   * unmapped.
   *
   * @return a grant status
   */
  int unmap(AddressSpaces v, GrantEntries slots, long hostAddress, long deviceAddress, int handle) {
    Mapping mapping = track.find(handle);
    int state = mapping == null ? 0 : mapping.claim();
    if (state == 0) {
      return GrantStatus.BAD_HANDLE;
    }
    boolean writable = mapping.writable(state);
    int status = GrantStatus.OKAY;
    int done = 0;
    if (deviceAddress != 0 && (state & Mapping.DEVICE) != 0) {
      done = Mapping.DEVICE;
      status = deviceAddress == mapping.mfn << 12 ? GrantStatus.OKAY : GrantStatus.BAD_DEV_ADDR;
    }
    if (status == GrantStatus.OKAY && hostAddress != 0 && (state & Mapping.HOST) != 0) {
      done |= Mapping.HOST;
      boolean containsPte = (state & Mapping.CONTAINS_PTE) != 0;
      status = slots.removeGrant(v, hostAddress, mapping.mfn, writable, containsPte);
    }
    done = status == GrantStatus.OKAY ? done : 0;
    if ((done & Mapping.DEVICE) != 0) {
      machine.withdrawFromDevices(mapping.mfn, writable);
    }
    pending[v.id()].add(mapping, handle, state, done);
    return status;
  }

  /**
   * Unmaps the host part of a mapping and puts in its place the entry found at another address,
   * which is cleared. The caller owes {@link #finishUnmaps} as after {@link #unmap}.
   *
   * @return a grant status
   */
  int unmapAndReplace(
      AddressSpaces v, GrantEntries slots, long hostAddress, long newAddress, int handle) {
    Mapping mapping = track.find(handle);
    int state = mapping == null ? 0 : mapping.claim();
    if (state == 0) {
      return GrantStatus.BAD_HANDLE;
    }
    int status = GrantStatus.GENERAL_ERROR;
    if ((state & (Mapping.HOST | Mapping.CONTAINS_PTE)) == Mapping.HOST && hostAddress != 0) {
      status = slots.replaceGrant(v, hostAddress, newAddress, mapping.mfn, mapping.writable(state));
    }
    pending[v.id()].add(mapping, handle, state, status == GrantStatus.OKAY ? Mapping.HOST : 0);
    return status;
  }

  /** Flushes the domain's translations if need be and gives back what a vCPU has unmapped. */
  void finishUnmaps(AddressSpaces v, GrantEntries slots) {
    pending[v.id()].finish(slots);
  }

  /**
   * Gives all pins back, for the end of the domain; host parts keep their references for the page
   * tables to put.
   */
  void teardown() {
    for (int handle = 0; handle < track.limit(); handle++) {
      Mapping mapping = track.find(handle);
      int state = mapping.end();
      boolean writable = mapping.writable(state);
      if ((state & Mapping.HOST) != 0) {
        mapping.granter.unpin(mapping.ref, writable);
      }
      if ((state & Mapping.DEVICE) != 0) {
        machine.withdrawFromDevices(mapping.mfn, writable);
        mapping.granter.release(mapping.ref, mapping.mfn, writable);
      }
    }
  }
}

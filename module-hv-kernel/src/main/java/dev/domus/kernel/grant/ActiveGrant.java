package dev.domus.kernel.grant;

import dev.domus.kernel.abi.GrantEntryLayout;

/**
 * One entry of a grant table as the hypervisor keeps it: who uses the entry, and what it named when
 * its use began. What the guest writes into the shared entry meanwhile changes nothing.
 *
 * <p>Guarded by its own monitor. What the entry named does not change as long as it is in use, so
 * whoever has pinned it reads that without the monitor.
 */
final class ActiveGrant {
  static final int WHOLE = 4096;

  private static final int NOBODY = -1;

  int readers;
  int writers;
  int grantee;

  /** Whether a frame is under way into this entry (GNTTABOP_transfer). */
  boolean receiving;

  /** What the entry names, as the granting domain names its frames. */
  long number;

  /** The granted frame; whether only a part of it is granted, and which. */
  long mfn;

  boolean part;
  int offset;
  int length;

  /** Of a transitive grant: the domain and the reference that it passes on. */
  int originDomid = NOBODY;

  int originRef;

  boolean inUse() {
    return (readers | writers) != 0 || receiving;
  }

  boolean isTransitive() {
    return originDomid != NOBODY;
  }

  /** The flags by which the guest sees that its entry is in use. */
  int useFlags() {
    return ((readers | writers) != 0 ? GrantEntryLayout.READING : 0)
        | (writers != 0 ? GrantEntryLayout.WRITING : 0);
  }

  void grantsFrame(long grantedMfn) {
    mfn = grantedMfn;
    part = false;
    offset = 0;
    length = WHOLE;
    originDomid = NOBODY;
  }

  void grantsPart(long grantedMfn, int partOffset, int partLength) {
    mfn = grantedMfn;
    part = true;
    offset = partOffset;
    length = partLength;
    originDomid = NOBODY;
  }

  void passesOn(int domid, int ref) {
    part = true;
    originDomid = domid;
    originRef = ref;
  }
}

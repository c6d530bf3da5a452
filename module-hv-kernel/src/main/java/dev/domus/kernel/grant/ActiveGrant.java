package dev.domus.kernel.grant;

/**
 * One entry of a grant table as the hypervisor keeps it: who uses the entry, and which frame it
 * named when its use began. What the guest writes into the shared entry meanwhile changes nothing.
 * Guarded by its own monitor.
 */
final class ActiveGrant {
  int readers;
  int writers;
  int grantee;
  long mfn;

  boolean inUse() {
    return (readers | writers) != 0;
  }
}

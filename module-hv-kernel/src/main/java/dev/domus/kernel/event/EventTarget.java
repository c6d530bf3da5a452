package dev.domus.kernel.event;

/** Whom a domain's event channels notify: a guest's vCPUs, or a service domain's event thread. */
public interface EventTarget {
  /** The domain's id. */
  int domid();

  /** Number of vCPUs, up or down; a service domain has one. */
  int vcpus();

  /**
   * Machine address of a vCPU's vcpu_info, or −1 for a vCPU that has none (32 and up, until it
   * registers one) and for service domains.
   */
  long vcpuInfo(int vcpu);

  /** Machine address of the shared info page, or −1 for service domains. */
  long sharedInfo();

  /**
   * An upcall has become pending for a vCPU: evtchn_upcall_pending has been set from 0 to 1. Wakes
   * the vCPU or makes it leave guest mode. Any thread, never blocks.
   */
  void upcall(int vcpu);

  /**
   * A port has become pending: wakes vCPUs that poll for it, whatever its mask; a service domain
   * runs the port's handler. Any thread, never blocks.
   */
  void portPending(int port);
}

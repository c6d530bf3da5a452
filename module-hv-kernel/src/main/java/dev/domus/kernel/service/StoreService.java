package dev.domus.kernel.service;

/**
 * Xenstore as a service domain reaches it: the counterpart of xenstored's socket. Guests use their
 * ring instead; the messages are the same.
 */
public interface StoreService {
  /**
   * Opens a connection that acts under a domain's identity; the caller answers for being entitled
   * to it.
   */
  StoreConnection connect(int domid);
}

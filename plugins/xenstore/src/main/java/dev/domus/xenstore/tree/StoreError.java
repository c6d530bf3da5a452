package dev.domus.xenstore.tree;

import dev.domus.kernel.service.StoreException;

/**
 * The errors of the protocol; the constant's name is what goes over the wire (xen-pv-abi.md, 15.2).
 */
public enum StoreError {
  /** An argument is malformed: a path, a permission, a count of strings. */
  EINVAL,
  /** No such node, transaction or watch. */
  ENOENT,
  /** Permissions forbid it. */
  EACCES,
  /** That watch exists already. */
  EEXIST,
  /** A quota is exhausted. */
  ENOSPC,
  /** More than a message or a quota of watches holds. */
  E2BIG,
  /** The transaction met another and has to be done again. */
  EAGAIN,
  /** Transactions do not nest. */
  EBUSY,
  /** Only the privileged may give a node away. */
  EPERM,
  /** No such request. */
  ENOSYS,
  /** The store itself failed. */
  EIO;

  /** The exception that carries this error, with a message for people. */
  public StoreException because(String message) {
    return new StoreException(name(), message);
  }
}

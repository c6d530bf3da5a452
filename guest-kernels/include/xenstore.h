/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Xenstore: the tree of names that domains and the toolstack share (xen-pv-abi.md, 15.1 to 15.3).
 *
 * One request at a time, no transactions. A path without a leading / is relative to this domain's own
 * /local/domain/<id>. Results are a length or 0, or a negative errno.
 */
#ifndef XENSTORE_H
#define XENSTORE_H

#include "types.h"

/* False in a domain that was given no xenstore ring; then nothing below may be called. */
bool xs_present(void);

/* The value is NUL-terminated and cut to size; returns its full length. */
s64 xs_read(const char *path, char *value, size_t size);

/* The names of the children, each NUL-terminated; returns how many bytes there are in all. */
s64 xs_directory(const char *path, char *names, size_t size);

s64 xs_write(const char *path, const char *value);
s64 xs_rm(const char *path);

/* This domain stays the owner, one other domain may read, nobody else may do anything. */
s64 xs_share_with(const char *path, u16 reader);

/* A watch fires once when it is set, and at each change at or below the path. */
s64 xs_watch(const char *path, const char *token);
s64 xs_unwatch(const char *path, const char *token);

/*
 * Waits until a watch has fired since the last call, or the deadline (system time, ns) has passed; false then. Which
 * watch does not matter to a caller that reads again what it is waiting for.
 */
bool xs_wait(u64 deadline);

#endif

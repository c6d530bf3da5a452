/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants: letting another domain map one page of ours, and mapping a page that another domain lets us have
 * (xen-pv-abi.md, 12). Version 1 of the table, one frame: 504 references besides the toolstack's.
 */
#ifndef GRANTS_H
#define GRANTS_H

#include "types.h"

/* Returns a reference for the domain to map, or -ENOSPC. The page is one of page_alloc() or of the image. */
s64 grant_access(u16 domain, const void *page, bool read_only);

/* Whether the other domain has the page mapped now. */
bool grant_in_use(u32 ref);

/* Takes the reference back: 0, or -EBUSY as long as it is in use. */
s64 grant_end(u32 ref);

/*
 * Maps a foreign page in place of one of ours, from page_alloc(); unmapping puts ours back. 0, or the hypervisor's
 * negative grant status (12), which is not an errno.
 */
s64 grant_map(u16 domain, u32 ref, void *page, bool read_only, u32 *handle);
s64 grant_unmap(void *page, u32 handle);

#endif

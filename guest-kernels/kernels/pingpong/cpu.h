/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel's other vCPUs, as far as pingpong needs them: each runs one function with events off, and may make hypercalls
 * and wait for masked ports. It has no trap table; what it does wrong is the domain's end.
 */
#ifndef PINGPONG_CPU_H
#define PINGPONG_CPU_H

#include "types.h"

#define MAX_CPUS 8

/* Brings vCPU id up in function(id). The caller waits with cpu_join() before it powers off. */
void cpu_start(u32 id, void (*function)(u32 id));

/* Waits until what vCPU id was started with has returned. */
void cpu_join(u32 id);

#endif

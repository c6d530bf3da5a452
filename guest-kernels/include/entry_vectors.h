/* SPDX-License-Identifier: Apache-2.0 */
/* What runtime/entry.S and C agree on. Entries that are no exception vectors count on from 256. */
#ifndef ENTRY_VECTORS_H
#define ENTRY_VECTORS_H

#define TRAP_VECTORS 256
#define TRAP_ENTRY_SIZE 16

/* 8 #DF, 10 #TS, 11 #NP, 12 #SS, 13 #GP, 14 #PF, 17 #AC, 21 #CP */
#define VECTORS_WITH_ERROR_CODE 0x00227d00

#define VECTOR_EVENT 256
#define VECTOR_SYSCALL 257
#define VECTOR_FAILSAFE 258

#endif

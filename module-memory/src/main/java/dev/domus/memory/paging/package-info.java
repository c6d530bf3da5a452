/**
 * x86-64 page tables as the processor sees them: entry bits and the walk. Who may write an entry is
 * the kernel's.
 */
package dev.domus.memory.paging;

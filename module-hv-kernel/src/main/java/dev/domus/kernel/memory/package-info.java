/**
 * memory_op: reservations, and what a guest may ask about memory. Page tables are {@code
 * dev.domus.kernel.mmu}'s.
 */
package dev.domus.kernel.memory;

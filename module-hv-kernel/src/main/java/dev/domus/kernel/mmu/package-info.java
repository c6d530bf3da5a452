/**
 * Direct paging: guests write their own page tables, and the hypervisor checks every entry before a
 * processor can follow it (xen-pv-abi.md, 5 to 7).
 *
 * <p>What is here may know frames, page-table formats and the MMU hypercalls; it knows nothing of
 * events, scheduling or who may control whom beyond what it is told. Start at {@link
 * dev.domus.kernel.mmu.Mmu}, one a domain, and at {@link dev.domus.kernel.mmu.MachineFrames}, one a
 * machine. {@code TableTypes} holds the rules by which a frame becomes a page table and ceases to
 * be one; the invariants that everything rests on are in its essay and in {@link
 * dev.domus.memory.FrameTable}'s.
 */
package dev.domus.kernel.mmu;

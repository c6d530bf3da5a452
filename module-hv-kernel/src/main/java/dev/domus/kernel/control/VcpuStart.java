package dev.domus.kernel.control;

/**
 * Where a PV guest's first vCPU starts; everything else is as the ABI prescribes (xen-pv-abi.md,
 * 2.5).
 *
 * @param rip entry point
 * @param rsp initial stack pointer
 * @param startInfo virtual address of the start-info page, passed in RSI
 * @param pageTableMfn frame of the L4 table; it must have been pinned
 */
public record VcpuStart(long rip, long rsp, long startInfo, long pageTableMfn) {}

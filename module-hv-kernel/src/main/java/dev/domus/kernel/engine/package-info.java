/**
 * The vCPU engine SPI: what executes guest instructions, and the register file it shares with the
 * kernel.
 *
 * <p>An engine is a plugin that provides {@link dev.domus.kernel.engine.Engine}. The kernel
 * attaches one {@link dev.domus.kernel.engine.VcpuEngine} to every vCPU and calls {@link
 * dev.domus.kernel.engine.VcpuEngine#run} from a pCPU thread until it returns an {@link
 * dev.domus.kernel.engine.Exit}. Everything that the guest can see besides its registers (trap
 * bouncing, the PV MMU, time, hypercalls, privileged instructions) is the kernel's, and the same
 * for all engines. Start at {@code VcpuEngine}.
 */
package dev.domus.kernel.engine;

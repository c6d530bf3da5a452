/**
 * The dispatcher: pCPUs, cpupools, and what keeps a pool running whatever its scheduler does.
 *
 * <p>Mechanism only: which vCPU runs is asked of the pool's {@link
 * dev.domus.kernel.sched.Scheduler}. This package is the kernel's own; plugins see {@link
 * dev.domus.kernel.sched} only. It knows nothing of domains, guests or memory: it runs {@link
 * dev.domus.kernel.dispatch.Runner}s.
 *
 * <p>Start at {@link dev.domus.kernel.dispatch.Dispatcher}, then {@link
 * dev.domus.kernel.dispatch.Pool}, whose comment is the protocol.
 */
package dev.domus.kernel.dispatch;

/**
 * What lies outside RAM: ranges of machine addresses and ports that device plugins have claimed
 * ({@link dev.domus.kernel.io.IoSpace}), and which of them a domain may reach ({@link
 * dev.domus.kernel.io.IoRights}). Knows nothing of page tables, which ask here, nor of engines,
 * whose accesses arrive here. What a plugin sees of it is {@link
 * dev.domus.kernel.service.IoHandler} and {@link dev.domus.kernel.service.IoClaim}.
 */
package dev.domus.kernel.io;

/**
 * Control of domains and of the machine. {@link dev.domus.kernel.domctl.DomainControl} does it, in
 * the name of one domain and after asking whether that may: it is {@link
 * dev.domus.kernel.control.Control} for service domains, and what {@link
 * dev.domus.kernel.domctl.DomctlOp} and {@link dev.domus.kernel.domctl.SysctlOp} call for guests.
 */
package dev.domus.kernel.domctl;

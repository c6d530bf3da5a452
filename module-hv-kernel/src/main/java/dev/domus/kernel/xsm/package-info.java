/**
 * The hooks where the kernel asks whether a domain may act on another, as those of Xen's security
 * modules (XSM). Start at {@link dev.domus.kernel.xsm.AccessControl}, which everybody asks and
 * which asks the {@link dev.domus.kernel.access.AccessPolicy} in force; {@link
 * dev.domus.kernel.xsm.DenialLog} keeps what was refused, {@link dev.domus.kernel.xsm.PolicyGuard}
 * watches policies that plugins wrote.
 */
package dev.domus.kernel.xsm;

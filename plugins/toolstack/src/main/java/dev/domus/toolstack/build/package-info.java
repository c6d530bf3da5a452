/**
 * The PV domain builder: lays a kernel image out in a new domain's memory and starts its first vCPU
 * (xen-pv-abi.md, 2.4 and 2.5). Knows images and the control interface, nothing of xenstore or of
 * the command line. Start at {@link dev.domus.toolstack.build.DomainBuilder}; {@link
 * dev.domus.toolstack.build.GuestLayout} is where things go.
 */
package dev.domus.toolstack.build;

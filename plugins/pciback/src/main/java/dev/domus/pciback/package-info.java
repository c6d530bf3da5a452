/**
 * The PCI backend: guests see the configuration space of the functions that are assigned to them,
 * and have their interrupts set up, through the PV PCI protocol, a page and a port a guest
 * (public/io/pciif.h of Xen 4.17). Start at {@link dev.domus.pciback.PciBackend}.
 */
package dev.domus.pciback;

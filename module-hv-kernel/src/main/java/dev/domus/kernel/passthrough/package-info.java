/**
 * What domains have of physical devices: PCI functions that were given to them, and physical
 * interrupts, which are messages of these functions on their way to event channels.
 *
 * <p>{@link dev.domus.kernel.passthrough.DomainDevices} is what one domain has, {@link
 * dev.domus.kernel.passthrough.Assignments} who gives and takes. Below is the bus ({@link
 * dev.domus.kernel.pci}), which knows no domains; above are the hypercalls.
 */
package dev.domus.kernel.passthrough;

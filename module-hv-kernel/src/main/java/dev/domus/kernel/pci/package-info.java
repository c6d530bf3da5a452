/**
 * The machine's PCI bus: functions that plugins model ({@link dev.domus.kernel.device}), what they
 * are to software, and what keeps a bad one away from vCPUs and memory.
 *
 * <p>May know I/O space, interrupt messages and the IOMMU's ports; knows neither domains nor
 * hypercalls. Start at {@link dev.domus.kernel.pci.PciBus}, then {@link
 * dev.domus.kernel.pci.PciFunction}.
 */
package dev.domus.kernel.pci;

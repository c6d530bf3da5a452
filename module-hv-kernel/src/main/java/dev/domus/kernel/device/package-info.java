/**
 * What a plugin needs to be a device: a PCI function that software models.
 *
 * <p>A plugin offers a {@link dev.domus.kernel.device.DeviceModel}, of which the machine's operator
 * makes functions, each with a requester id of its own. A function meets the world through its
 * {@link dev.domus.kernel.device.DeviceBus} alone: registers in base-address regions, DMA through
 * the IOMMU, message-signalled interrupts. What it is to software, configuration space and MSI-X
 * tables included, is the kernel's: a device cannot say anything there that the kernel does not
 * know.
 *
 * <p>The kernel keeps a device at arm's length. Its code runs on threads of its own, never on a
 * vCPU's; what its registers say is answered without it; each wait for it ends after a time. A
 * device that throws or hangs fails: it is put in quarantine, its DMA ends, its registers read as
 * ones, and the domain that it belongs to goes on.
 *
 * <p>Start at {@link dev.domus.kernel.device.Device}.
 */
package dev.domus.kernel.device;

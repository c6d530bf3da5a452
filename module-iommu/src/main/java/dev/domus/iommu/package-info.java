/**
 * DMA remapping: what a device may reach, by the rules and formats of Intel's VT-d (<i>Intel
 * Virtualization Technology for Directed I/O, Architecture Specification</i>; section numbers in
 * this package are those of revision 4.x).
 *
 * <p>Start at {@link dev.domus.iommu.IommuUnit}. A device names itself by its {@link
 * dev.domus.iommu.RequesterId}; the unit attaches it to an {@link dev.domus.iommu.IoDomain}, which
 * says what can be reached by which address; the device's code has a {@link
 * dev.domus.iommu.DmaPort} and nothing else. What is refused goes to the {@link
 * dev.domus.iommu.FaultRecorder}, interrupts through {@link dev.domus.iommu.InterruptRemapping}.
 *
 * <h2>For the kernel</h2>
 *
 * <ul>
 *   <li><b>Give</b>: {@code map} what a domain may be reached by; {@code attach} its devices.
 *   <li><b>Take</b>: {@code unmap} (or {@code withdraw} many, then {@code flush} once)
 *       <i>before</i> a frame changes owner or becomes a page table. When it has returned no device
 *       reaches the frame and none is in the middle of it: the reference that the mapping held can
 *       be put. A call that throws (a device's copy that does not end within {@code 10 s}) has not
 *       taken it: keep the reference, and revoke the device.
 *   <li><b>Detach</b>: {@code block} or {@code revoke} the ports, then {@code attach} elsewhere,
 *       {@code detach} or {@code quarantine}. Each returns when nothing is under way.
 *   <li><b>Locks</b>: all of these may wait for copies of at most 64 KiB that are under way. A
 *       fault handler or an interrupt sink runs in a device's thread, the sink while the message
 *       counts as under way: it must not wait for anybody who may be in one of these calls.
 *   <li><b>What is not here</b>: who owns a frame, and that it stays: the caller holds a reference,
 *       and a writable type reference for what devices may write, for each frame that is mapped.
 * </ul>
 *
 * <p>{@link dev.domus.iommu.iova} hands out I/O addresses, {@link dev.domus.iommu.dma} maps buffers
 * for drivers; the mode of protection is a policy behind {@link dev.domus.iommu.dma.DmaProtection}.
 * Decision 0017 says why things are as they are.
 *
 * <p>This package may know machine memory, and nothing of domains, hypercalls or plugins.
 */
package dev.domus.iommu;

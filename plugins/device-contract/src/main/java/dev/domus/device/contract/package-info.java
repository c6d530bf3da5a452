/**
 * A machine around one device, for its tests: {@link dev.domus.device.contract.SoftwareBus} stands
 * for the kernel, {@link dev.domus.device.contract.SoftwareMemory} for memory behind an IOMMU, and
 * {@link dev.domus.device.contract.DeviceContract} holds what the kernel relies on for every
 * device.
 */
package dev.domus.device.contract;

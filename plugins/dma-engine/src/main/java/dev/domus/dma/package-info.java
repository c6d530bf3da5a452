/**
 * A DMA engine: software puts descriptors into a ring in memory and rings; the engine copies,
 * fills, compares and makes checksums, and writes back what came of each.
 *
 * <p>Start at {@link dev.domus.dma.RegisterLayout} and {@link dev.domus.dma.DescriptorLayout},
 * which are the device's manual; {@link dev.domus.dma.DmaEngine} takes stores and {@link
 * dev.domus.dma.Worker} does the work.
 */
package dev.domus.dma;

package dev.domus.kernel.pci;

/**
 * Where a region of a function is.
 *
 * @param number of the base-address register
 * @param firstFrame machine frame number, beyond RAM
 * @param frames how many
 */
public record BarPlace(int number, long firstFrame, long frames) {}

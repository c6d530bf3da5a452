package dev.domus.kernel.driver;

/**
 * Frames that are held for a device.
 *
 * @param mfns the frames; the owner's of this record alone
 * @param writable whether the device may be let write
 * @param release lets them go, once
 */
public record Registered(long[] mfns, boolean writable, Runnable release) {}

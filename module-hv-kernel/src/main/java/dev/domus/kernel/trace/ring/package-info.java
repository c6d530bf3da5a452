/**
 * The writing side of the trace, internal to the kernel: start at {@link
 * dev.domus.kernel.trace.ring.Tracer}, which is what code that has something to record calls.
 */
package dev.domus.kernel.trace.ring;

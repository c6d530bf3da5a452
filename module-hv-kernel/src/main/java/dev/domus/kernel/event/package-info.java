/**
 * Event channels: ports, their binding, and delivery by the two-level and the FIFO ABI. Start at
 * {@link dev.domus.kernel.event.EventChannels}.
 */
package dev.domus.kernel.event;

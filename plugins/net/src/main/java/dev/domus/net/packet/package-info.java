/**
 * Packets as they pass through the backend, and what can be done to any of them: reading headers,
 * sums, cutting large segments, waiting in queues, limits. Knows nothing of where they come from or
 * go. Start at {@link dev.domus.net.packet.Packet}.
 */
package dev.domus.net.packet;

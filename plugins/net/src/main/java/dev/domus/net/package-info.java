/**
 * The network backend: guests' interfaces (the PV network protocol) plugged into a switch between
 * guests, user-mode NAT, or a tap device of the host.
 *
 * <p>Start at {@link dev.domus.net.NetBackend} for how interfaces are found and followed through
 * their states, at {@link dev.domus.net.Vif} for what happens to a packet.
 */
package dev.domus.net;

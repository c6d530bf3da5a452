package dev.domus.net.packet;

/** Where packets go. */
@FunctionalInterface
public interface PacketSink {
  /** Takes nothing. */
  PacketSink NOWHERE = packet -> true;

  /**
   * Takes a packet, or not: called on any thread, copies what it keeps, waits for nobody. It may
   * complete sums in the packet.
   *
   * @return false if there was no room, and the packet is lost unless it is offered again
   */
  boolean receive(Packet packet);
}

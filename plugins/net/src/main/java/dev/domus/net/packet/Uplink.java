package dev.domus.net.packet;

/** What a guest's interface is plugged into: takes what the guest sends. */
public interface Uplink extends PacketSink, AutoCloseable {
  /** The guest, having refused packets, has room again. Called on any thread. */
  default void roomAgain() {}

  /** Lets the interface go: nothing of it is left, and no packet comes any more. */
  @Override
  void close();
}

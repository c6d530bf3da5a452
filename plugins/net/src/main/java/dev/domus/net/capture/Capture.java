package dev.domus.net.capture;

import dev.domus.net.packet.Packet;

/** Sees what goes through an interface. Called on any thread; waits for nothing but the disk. */
public interface Capture extends AutoCloseable {
  /** Sees nothing. */
  Capture NONE =
      new Capture() {
        @Override
        public void sent(Packet packet) {}

        @Override
        public void received(Packet packet) {}

        @Override
        public void close() {}
      };

  /** The guest has sent a packet. */
  void sent(Packet packet);

  /** The guest is given a packet. */
  void received(Packet packet);

  @Override
  void close();
}

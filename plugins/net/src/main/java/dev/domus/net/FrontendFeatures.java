package dev.domus.net;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a guest's driver has said of itself when it connected.
 *
 * @param queues its rings
 * @param control its control ring, if it has one
 * @param scatter it takes packets of more than one page
 * @param gso4 it takes TCP segments over IPv4 that are larger than a packet
 * @param gso6 the same over IPv6
 * @param blank4 it takes packets without checksum over IPv4
 * @param blank6 the same over IPv6
 * @param multicastFilter it says which groups it wants
 */
record FrontendFeatures(
    List<Queue> queues,
    Optional<Control> control,
    boolean scatter,
    boolean gso4,
    boolean gso6,
    boolean blank4,
    boolean blank6,
    boolean multicastFilter) {
  /** Most queues that a guest is offered. */
  static final int MAX_QUEUES = 8;

  /**
   * A pair of rings.
   *
   * @param txRef grant of the transmit ring
   * @param rxRef grant of the receive ring
   * @param txPort event channel of the transmit ring
   * @param rxPort event channel of the receive ring: the same, or one of its own
   */
  record Queue(int txRef, int rxRef, int txPort, int rxPort) {}

  /** A control ring. */
  record Control(int ref, int port) {}

  /** A driver's nodes cannot be used; the message says why. */
  static final class BadNodesException extends Exception {
    private static final long serialVersionUID = 1L;

    BadNodesException(String message) {
      super(message);
    }
  }

  /** Reads what the driver has written. */
  static FrontendFeatures read(VifNodes nodes) throws BadNodesException {
    if (!nodes.itsFlag("request-rx-copy")) {
      throw new BadNodesException("request-rx-copy is not 1, and packets are only copied");
    }
    if (!nodes.itsFlag("feature-rx-notify")) {
      throw new BadNodesException(
          "feature-rx-notify is not 1: a driver that does not say when it has posted pages cannot be served");
    }
    int count = nodes.itsNumber("multi-queue-num-queues").orElse(1);
    if (count < 1 || count > MAX_QUEUES) {
      throw new BadNodesException(
          "multi-queue-num-queues=%d, should be 1 to %d".formatted(count, MAX_QUEUES));
    }
    List<Queue> queues = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      queues.add(readQueue(nodes, count == 1 ? "" : "queue-" + i + "/"));
    }
    Optional<Control> control = Optional.empty();
    if (nodes.its("ctrl-ring-ref").isPresent()) {
      control =
          Optional.of(
              new Control(required(nodes, "ctrl-ring-ref"), required(nodes, "event-channel-ctrl")));
    }
    return new FrontendFeatures(
        List.copyOf(queues),
        control,
        nodes.itsFlag("feature-sg"),
        nodes.itsFlag("feature-sg") && nodes.itsFlag("feature-gso-tcpv4"),
        nodes.itsFlag("feature-sg") && nodes.itsFlag("feature-gso-tcpv6"),
        !nodes.itsFlag("feature-no-csum-offload"),
        nodes.itsFlag("feature-ipv6-csum-offload"),
        nodes.itsFlag("request-multicast-control"));
  }

  private static Queue readQueue(VifNodes nodes, String prefix) throws BadNodesException {
    int txRef = required(nodes, prefix + "tx-ring-ref");
    int rxRef = required(nodes, prefix + "rx-ring-ref");
    if (nodes.its(prefix + "event-channel-tx").isPresent()) {
      return new Queue(
          txRef,
          rxRef,
          required(nodes, prefix + "event-channel-tx"),
          required(nodes, prefix + "event-channel-rx"));
    }
    int port = required(nodes, prefix + "event-channel");
    return new Queue(txRef, rxRef, port, port);
  }

  private static int required(VifNodes nodes, String name) throws BadNodesException {
    Optional<Integer> number = nodes.itsNumber(name);
    if (number.isEmpty()) {
      throw new BadNodesException(
          "%s=%s, should be a number".formatted(name, nodes.its(name).orElse("")));
    }
    return number.get();
  }

  /** Whether it takes a packet as it is; else its sum has to be written, or it has to be cut. */
  boolean takesSegment(int gsoType) {
    return gsoType == dev.domus.net.packet.Packet.GSO_TCP4 ? gso4 : gso6;
  }
}

package dev.domus.net;

import java.util.concurrent.atomic.LongAdder;

/** What has gone through an interface, from the guest's side: sent, received, and what was not. */
final class Counters {
  private final LongAdder fromPackets = new LongAdder();
  private final LongAdder fromBytes = new LongAdder();
  private final LongAdder toPackets = new LongAdder();
  private final LongAdder toBytes = new LongAdder();
  private final LongAdder refused = new LongAdder();
  private final LongAdder dropped = new LongAdder();

  void fromGuest(int bytes) {
    fromPackets.increment();
    fromBytes.add(bytes);
  }

  void toGuest(int bytes) {
    toPackets.increment();
    toBytes.add(bytes);
  }

  /** A packet of the guest's that was none. */
  void refused() {
    refused.increment();
  }

  /** A packet for the guest that found no room. */
  void dropped() {
    dropped.increment();
  }

  @Override
  public String toString() {
    return "sent %d packets, %d bytes; received %d packets, %d bytes; refused %d, dropped %d"
        .formatted(
            fromPackets.sum(),
            fromBytes.sum(),
            toPackets.sum(),
            toBytes.sum(),
            refused.sum(),
            dropped.sum());
  }
}

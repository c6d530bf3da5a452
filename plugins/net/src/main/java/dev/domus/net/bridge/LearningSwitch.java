package dev.domus.net.bridge;

import static dev.domus.net.packet.FrameLayout.*;

import dev.domus.net.packet.Bytes;
import dev.domus.net.packet.MacAddress;
import dev.domus.net.packet.Packet;
import dev.domus.net.packet.PacketSink;
import dev.domus.net.packet.TokenBucket;
import dev.domus.net.packet.Uplink;
import java.util.Arrays;
import java.util.function.LongSupplier;

/**
 * A switch between guests (IEEE 802.1D, 802.1Q): learns at which port a station is, gives a frame
 * to that port, and a frame for a group or for a station that it does not know to all others of its
 * VLAN.
 *
 * <p><b>Limits.</b> What one guest can make others receive against their will is what is flooded,
 * so that is limited a port ({@link #FLOODS_A_SECOND}); a loop that a guest makes of two interfaces
 * comes to rest at that limit. A port has at most {@link #MACS_A_PORT} stations; what a port claims
 * beyond is not learned. A station that moves is believed to whoever spoke last, as switches do,
 * but not more often than {@link #MOVES_A_SECOND} a port, so that two guests that claim the same
 * address cost the others nothing.
 *
 * <p><b>Locking.</b> The monitor guards table and ports for the time of a look; frames are
 * delivered outside it, on the sender's thread, into the receivers' queues. The switch allocates
 * nothing a frame.
 */
public final class LearningSwitch {
  /** Most ports. */
  public static final int PORTS = 1024;

  /** Most stations that a port is believed to have. */
  public static final int MACS_A_PORT = 64;

  /** What is flooded for one port, in frames: ARP of a few hundred neighbours, and no storm. */
  static final int FLOODS_A_SECOND = 1000;

  static final int MOVES_A_SECOND = 10;

  /** How often old entries are looked for. */
  private static final long AGING_NANOS = 30_000_000_000L;

  private static final int VLAN_MASK = 0xFFF;

  private final LongSupplier clock;
  private final MacTable table = new MacTable();
  private volatile Port[] ports = {};
  private long agedAt;

  /** Makes a switch without ports, by the host's clock. */
  public LearningSwitch() {
    this(System::nanoTime);
  }

  LearningSwitch(LongSupplier clock) {
    this.clock = clock;
    agedAt = clock.getAsLong();
  }

  /** One port, and what is plugged into it. */
  private final class Port implements Uplink {
    private final PacketSink station;
    private final Vlans vlans;
    private final TokenBucket floods;
    private final TokenBucket moves;
    private int number;
    private int macs;
    private volatile boolean closed;

    Port(PacketSink station, Vlans vlans) {
      this.station = station;
      this.vlans = vlans;
      long now = clock.getAsLong();
      floods = new TokenBucket(FLOODS_A_SECOND, FLOODS_A_SECOND, now);
      moves = new TokenBucket(MOVES_A_SECOND, MOVES_A_SECOND, now);
    }

    @Override
    public boolean receive(Packet packet) {
      if (!closed) {
        forward(this, packet);
      }
      return true; // a switch drops what it has no room for
    }

    @Override
    public void close() {
      remove(this);
    }
  }

  /**
   * Plugs a station in.
   *
   * @param station is given frames on any thread
   * @throws IllegalStateException if all ports are taken
   */
  public synchronized Uplink connect(PacketSink station, Vlans vlans) {
    Port port = new Port(station, vlans);
    Port[] now = ports;
    int free = 0;
    while (free < now.length && now[free] != null) {
      free++;
    }
    if (free == PORTS) {
      throw new IllegalStateException("all ports of the switch are taken: ports=" + PORTS);
    }
    Port[] changed = Arrays.copyOf(now, Math.max(now.length, free + 1));
    port.number = free;
    changed[free] = port;
    ports = changed;
    return port;
  }

  private synchronized void remove(Port port) {
    if (!port.closed) {
      port.closed = true;
      Port[] changed = ports.clone();
      changed[port.number] = null;
      ports = changed;
      table.forget(port.number);
    }
  }

  /** Whether nobody is plugged in. */
  public synchronized boolean isEmpty() {
    for (Port port : ports) {
      if (port != null) {
        return false;
      }
    }
    return true;
  }

  private void forward(Port from, Packet packet) {
    byte[] data = packet.data;
    boolean tagged =
        Bytes.u16(data, ETH_TYPE) == TYPE_VLAN && packet.length >= ETH_HEADER + VLAN_TAG;
    int tag = tagged ? Bytes.u16(data, ETH_TYPE + 2) : 0;
    int vlan = (tag & VLAN_MASK) == 0 ? from.vlans.untagged() : tag & VLAN_MASK;
    boolean mayHaveTag = (tag & VLAN_MASK) == 0 || from.vlans.tagged().get(vlan);
    if (vlan == Vlans.NONE || !mayHaveTag) {
      return;
    }
    if (tagged && Bytes.u16(data, ETH_TYPE + VLAN_TAG) == TYPE_VLAN) {
      return; // without its first tag it would be a frame of the VLAN that its second one names
    }
    long source = Bytes.u48(data, ETH_SOURCE);
    long dest = Bytes.u48(data, ETH_DEST);
    if (MacAddress.isGroup(source) || source == 0) {
      return; // no station has such an address
    }
    int target;
    synchronized (this) {
      long now = clock.getAsLong();
      learn(from, source, vlan, now);
      target = MacAddress.isGroup(dest) ? MacTable.NONE : table.port(dest, vlan, now);
      if (target == MacTable.NONE) {
        if (from.floods.available(now) <= 0) {
          return;
        }
        from.floods.take(1);
      }
    }
    Port[] all = ports;
    if (target != MacTable.NONE) {
      if (target != from.number && target < all.length && all[target] != null) {
        deliver(all[target], vlan, packet);
      }
      return;
    }
    for (Port port : all) {
      if (port != null && port != from) {
        deliver(port, vlan, packet);
      }
    }
  }

  private void learn(Port port, long source, int vlan, long now) {
    if (now - agedAt > AGING_NANOS || table.isFull() && now - agedAt > AGING_NANOS / 30) {
      age(now);
    }
    int at = table.port(source, vlan, now);
    if (at == port.number) {
      table.learn(source, vlan, port.number, now);
    } else if (at == MacTable.NONE) {
      if (port.macs < MACS_A_PORT && !table.isFull()) {
        table.learn(source, vlan, port.number, now);
        port.macs++;
      }
    } else if (port.macs < MACS_A_PORT && port.moves.available(now) > 0) {
      port.moves.take(1);
      table.learn(source, vlan, port.number, now);
      port.macs++;
      ports[at].macs--;
    }
  }

  private void age(long now) {
    agedAt = now;
    int[] counts = new int[ports.length];
    table.age(now, counts);
    for (int i = 0; i < counts.length; i++) {
      if (ports[i] != null) {
        ports[i].macs = counts[i];
      }
    }
  }

  /** Gives a frame to a port if it is in the VLAN, in the form that the port has it in. */
  private static void deliver(Port port, int vlan, Packet packet) {
    Vlans vlans = port.vlans;
    if (!vlans.has(vlan)) {
      return;
    }
    boolean tagged =
        Bytes.u16(packet.data, ETH_TYPE) == TYPE_VLAN && packet.length >= ETH_HEADER + VLAN_TAG;
    boolean wanted = vlan != vlans.untagged();
    if (tagged && !wanted) {
      removeTag(packet);
    } else if (!tagged && wanted) {
      if (packet.length + VLAN_TAG > Packet.MAX_BYTES) {
        return;
      }
      addTag(packet, vlan);
    } else if (tagged && (Bytes.u16(packet.data, ETH_TYPE + 2) & VLAN_MASK) != vlan) {
      Bytes.putU16(
          packet.data,
          ETH_TYPE + 2,
          Bytes.u16(packet.data, ETH_TYPE + 2) & ~VLAN_MASK | vlan); // was a priority alone
    }
    port.station.receive(packet);
  }

  private static void removeTag(Packet packet) {
    System.arraycopy(
        packet.data,
        ETH_TYPE + VLAN_TAG,
        packet.data,
        ETH_TYPE,
        packet.length - ETH_TYPE - VLAN_TAG);
    packet.length -= VLAN_TAG;
  }

  private static void addTag(Packet packet, int vlan) {
    System.arraycopy(
        packet.data, ETH_TYPE, packet.data, ETH_TYPE + VLAN_TAG, packet.length - ETH_TYPE);
    Bytes.putU16(packet.data, ETH_TYPE, TYPE_VLAN);
    Bytes.putU16(packet.data, ETH_TYPE + 2, vlan);
    packet.length += VLAN_TAG;
  }
}

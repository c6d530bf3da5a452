package dev.domus.net;

import dev.domus.net.capture.Capture;
import dev.domus.net.netif.HashSteering;
import dev.domus.net.packet.Bytes;
import dev.domus.net.packet.FrameLayout;
import dev.domus.net.packet.Headers;
import dev.domus.net.packet.MacAddress;
import dev.domus.net.packet.Packet;
import dev.domus.net.packet.PacketSink;
import dev.domus.net.packet.Segmenter;
import dev.domus.net.packet.TokenBucket;
import dev.domus.net.packet.Uplink;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * One interface of a guest, between its queues and what it is plugged into.
 *
 * <pre>
 *   guest → ring → limit → capture → uplink (switch, NAT, tap)
 *   guest ← ring ← queue ← completed for what the driver takes ← capture ← uplink
 * </pre>
 *
 * <p>What the guest sends is checked only for being a frame; what of it makes sense is for the
 * uplink to find out, which may be another guest. What it is given it is given as its driver has
 * said: without checksum, as segments that are larger than a packet, or completed here.
 *
 * <p>Thread-safe. The monitor guards what completes packets, and the limit.
 */
final class Vif implements PacketSink {
  /** The largest frame that is no segment: 1500 bytes, header and VLAN tag. */
  private static final int MTU = 1500;

  /** Most groups of the multicast filter; a guest that wants more gets all of them. */
  private static final int MAX_GROUPS = 64;

  private static final long FULL = Long.MAX_VALUE;
  private static final System.Logger LOG = System.getLogger(Vif.class.getName());

  private final int guest;
  private final String label;
  private final ScheduledExecutorService timer;
  private final HashSteering steering = new HashSteering();
  private final Counters counters = new Counters();
  private final Set<Long> groups = ConcurrentHashMap.newKeySet();
  private final Segmenter segmenter = new Segmenter();
  private final Headers headers = new Headers();
  private volatile Uplink uplink;
  private volatile Capture capture = Capture.NONE;
  private volatile boolean linkUp = true;
  private volatile boolean limited;
  private TokenBucket limit;

  /** Set together by the control worker; queues are empty while no guest is connected. */
  private volatile Connection connection = Connection.NONE;

  /** What a guest has connected with. */
  record Connection(FrontendFeatures features, VifQueue[] queues) {
    static final Connection NONE =
        new Connection(
            new FrontendFeatures(
                List.of(), java.util.Optional.empty(), false, false, false, false, false, false),
            new VifQueue[0]);
  }

  Vif(int guest, String label, ScheduledExecutorService timer) {
    this.guest = guest;
    this.label = label;
    this.timer = timer;
  }

  int guest() {
    return guest;
  }

  HashSteering steering() {
    return steering;
  }

  Counters count() {
    return counters;
  }

  FrontendFeatures features() {
    return connection.features;
  }

  // ---- by the control worker ----

  void plug(Uplink opened) {
    uplink = opened;
  }

  void connect(FrontendFeatures features, VifQueue[] queues) {
    connection = new Connection(features, queues);
  }

  /** No guest is connected any more. Returns the queues, which are the caller's to close. */
  VifQueue[] disconnect() {
    VifQueue[] queues = connection.queues;
    connection = Connection.NONE;
    groups.clear();
    steering.reset();
    return queues;
  }

  void setCapture(Capture changed) {
    capture = changed;
  }

  void setLink(boolean up) {
    linkUp = up;
  }

  /** Limits what the guest sends; 0 for no limit. */
  synchronized void setLimit(long bytesPerSecond, long burstBytes) {
    limited = bytesPerSecond > 0;
    if (limited) {
      limit = new TokenBucket(bytesPerSecond, burstBytes, System.nanoTime());
    }
    for (VifQueue queue : connection.queues) {
      queue.ask();
    }
  }

  // ---- by the queues ----

  /** Nothing of what the guest's rings say is believed any more, until it connects anew. */
  void cutOff(String reason) {
    LOG.log(
        Level.WARNING,
        "{0} is cut off: {1}. Remedy: its driver has to close it and connect again",
        label,
        reason);
    for (VifQueue queue : connection.queues) {
      queue.worker().execute(queue::close);
    }
  }

  /** How many bytes a queue may take from the guest now; it is asked to look again when it is 0. */
  long allowance(VifQueue queue) {
    if (!limited) {
      return FULL;
    }
    synchronized (this) {
      long available = limit.available(System.nanoTime());
      if (available <= 0) {
        timer.schedule(queue::ask, limit.nanosUntilSome() + 50_000, TimeUnit.NANOSECONDS);
      }
      return available;
    }
  }

  void fromGuest(Packet packet, Headers scratch) {
    counters.fromGuest(packet.length);
    if (limited) {
      synchronized (this) {
        limit.take(packet.length);
      }
    }
    capture.sent(packet);
    if (!linkUp) {
      return;
    }
    if (packet.gsoSize != 0 && !Segmenter.isWhatItClaims(packet, scratch)) {
      counters.refused();
      return; // nobody could cut it
    }
    if (packet.gsoSize != 0 && packet.length <= packet.gsoSize) {
      packet.gsoSize = 0; // it is no larger than what it would be cut into
      packet.gsoType = Packet.GSO_NONE;
    }
    if (!uplink.receive(packet)) {
      counters.dropped();
    }
  }

  /** Changes the multicast filter. Returns false if it holds no more. */
  boolean changeMulticast(long group, boolean add) {
    if (!add) {
      groups.remove(group);
      return true;
    }
    return groups.contains(group) || groups.size() < MAX_GROUPS && groups.add(group);
  }

  boolean tellsHashes() {
    return connection.features.control().isPresent();
  }

  void roomAgain() {
    uplink.roomAgain();
  }

  // ---- from the uplink ----

  @Override
  public boolean receive(Packet packet) {
    Connection now = connection;
    if (now.queues.length == 0 || !linkUp || packet.length < FrameLayout.ETH_HEADER) {
      return true; // as with a cable that is not plugged in
    }
    if (now.features.multicastFilter() && isUnwanted(packet)) {
      return true;
    }
    if (packet.gsoSize == 0 && !packet.checksumBlank) {
      return give(now, packet);
    }
    synchronized (this) {
      boolean ipv6 = headers.read(packet) && headers.version == 6;
      boolean asItIs =
          packet.gsoSize != 0
              ? now.features.takesSegment(packet.gsoType)
              : ipv6 ? now.features.blank6() : now.features.blank4();
      return asItIs ? give(now, packet) : segmenter.pass(packet, piece -> give(now, piece));
    }
  }

  private boolean isUnwanted(Packet packet) {
    long dest = Bytes.u48(packet.data, FrameLayout.ETH_DEST);
    return MacAddress.isGroup(dest) && dest != FrameLayout.BROADCAST && !groups.contains(dest);
  }

  private boolean give(Connection to, Packet packet) {
    boolean tooLong =
        packet.gsoSize == 0 && packet.length > MTU + FrameLayout.ETH_HEADER + FrameLayout.VLAN_TAG;
    if (tooLong && !to.features.scatter()) {
      counters.dropped();
      return true; // will never fit
    }
    capture.received(packet);
    boolean taken = to.queues[queue(to, packet)].offer(packet);
    if (!taken) {
      counters.dropped();
    }
    return taken;
  }

  private synchronized int queue(Connection to, Packet packet) {
    int count = to.queues.length;
    if (count == 1) {
      return 0;
    }
    headers.read(packet);
    int type = steering.type(packet, headers);
    return type < 0
        ? HashSteering.flowQueue(packet, headers, count)
        : steering.queue(steering.hash(packet, headers, type), count);
  }
}

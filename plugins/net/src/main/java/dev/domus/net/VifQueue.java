package dev.domus.net;

import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.memory.WindowRevokedException;
import dev.domus.net.netif.BadRingException;
import dev.domus.net.netif.HashSteering;
import dev.domus.net.netif.RxRing;
import dev.domus.net.netif.TxRing;
import dev.domus.net.packet.Packet;
import dev.domus.net.packet.PacketQueue;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One pair of rings of an interface, while its guest is connected.
 *
 * <p>All work on the rings is done by the queue's worker, when the guest has notified or a packet
 * has come, a batch at a time: a queue that has more to do goes to the end of the worker's line, so
 * that a busy guest delays others by a batch and no more. Others only put packets into {@link
 * #incoming} and ask for a look.
 */
final class VifQueue {
  /** What waits for a guest at most: some large segments, or a ring and a half of packets. */
  private static final int QUEUE_BYTES = 1 << 20, QUEUE_PACKETS = 512;

  private final Vif vif;
  private final QueueWorker worker;
  private final GrantMapping txPage;
  private final GrantMapping rxPage;
  private final TxRing tx;
  private final RxRing rx;
  private final PacketQueue incoming = new PacketQueue(QUEUE_BYTES, QUEUE_PACKETS);
  private final AtomicBoolean asked = new AtomicBoolean();
  private final Runnable look = this::look;
  private EventPort txPort;
  private EventPort rxPort;
  private volatile boolean closed;

  private VifQueue(Vif vif, QueueWorker worker, GrantMapping txPage, GrantMapping rxPage) {
    this.vif = vif;
    this.worker = worker;
    this.txPage = txPage;
    this.rxPage = rxPage;
    tx = new TxRing(txPage.window(), vif.guest());
    rx = new RxRing(rxPage.window(), vif.guest());
  }

  /**
   * Maps rings and binds ports.
   *
   * @throws HypercallException if one of them cannot be; nothing is left then
   */
  static VifQueue open(
      Vif vif, Hypercalls hypercalls, QueueWorker worker, FrontendFeatures.Queue described) {
    int guest = vif.guest();
    GrantMapping txPage = hypercalls.mapGrant(guest, described.txRef(), true);
    GrantMapping rxPage;
    try {
      rxPage = hypercalls.mapGrant(guest, described.rxRef(), true);
    } catch (HypercallException refused) {
      txPage.close();
      throw refused;
    }
    VifQueue queue = new VifQueue(vif, worker, txPage, rxPage);
    boolean done = false;
    try {
      queue.txPort = hypercalls.bindInterdomain(guest, described.txPort(), queue::ask);
      queue.rxPort =
          described.rxPort() == described.txPort()
              ? queue.txPort
              : hypercalls.bindInterdomain(guest, described.rxPort(), queue::ask);
      done = true;
      return queue;
    } finally {
      if (!done) {
        queue.close();
      }
    }
  }

  EventPort port() {
    return txPort;
  }

  /** Has the worker look at the rings. */
  void ask() {
    if (!closed && asked.compareAndSet(false, true)) {
      worker.execute(look);
    }
  }

  /** Adds a packet for the guest. Any thread. */
  boolean offer(Packet packet) {
    if (!incoming.offer(packet)) {
      return false;
    }
    ask();
    return true;
  }

  private void look() {
    asked.set(false);
    if (closed) {
      return;
    }
    try {
      boolean more = give();
      more |= take();
      if (more) {
        ask();
      }
    } catch (BadRingException bad) {
      vif.cutOff(bad.getMessage());
    } catch (HypercallException | WindowRevokedException ended) {
      close(); // with the service domain
    }
  }

  /** Gives the guest a batch of what waits for it. Returns whether there is more, and room. */
  private boolean give() throws BadRingException {
    FrontendFeatures features = vif.features();
    Packet packet = worker.packet();
    boolean wantsHash = false;
    boolean more = false;
    rx.begin(worker.staging());
    for (int length; (length = incoming.nextLength()) >= 0; ) {
      int needed = RxRing.slotsFor(length, incoming.nextIsSegment(), vif.tellsHashes());
      if (rx.isFull(worker.staging(), length, needed)) {
        more = true;
        break;
      }
      if (!rx.hasPages(needed)) {
        break;
      }
      incoming.poll(packet);
      wantsHash = vif.tellsHashes();
      int type = -1;
      int hash = 0;
      if (wantsHash && worker.headers().read(packet)) {
        HashSteering steering = vif.steering();
        type = steering.type(packet, worker.headers());
        hash = type < 0 ? 0 : steering.hash(packet, worker.headers(), type);
      }
      rx.add(packet, worker.staging(), type, hash);
      vif.count().toGuest(packet.length);
    }
    worker.staging().run();
    if (rx.respond(worker.staging())) {
      rxPort.send();
    }
    if (incoming.hasRoomAgain()) {
      vif.roomAgain();
    }
    return more && features == vif.features();
  }

  /** Takes a batch of what the guest sends. Returns whether there is more. */
  private boolean take() throws BadRingException {
    long allowed = vif.allowance(this);
    if (allowed <= 0) {
      return false; // looked at again when the limit allows
    }
    int packets = tx.collect(worker.staging(), allowed);
    worker.staging().run();
    Packet packet = worker.packet();
    for (int i = 0; i < packets; i++) {
      if (tx.isMulticastChange(i)) {
        if (!vif.changeMulticast(tx.multicastAddress(i), tx.isMulticastAddition(i))) {
          tx.refuse(i);
        }
      } else if (tx.load(i, worker.staging(), packet)) {
        vif.fromGuest(packet, worker.headers());
      } else {
        vif.count().refused();
      }
    }
    if (tx.respond()) {
      txPort.send();
    }
    return tx.rest();
  }

  /** Says when to look again, to a queue that has sent all that it may for now. */
  QueueWorker worker() {
    return worker;
  }

  /** Lets go of rings and ports. By the worker, or before the queue was ever looked at. */
  void close() {
    closed = true;
    incoming.close();
    if (txPort != null) {
      txPort.close();
    }
    if (rxPort != null) {
      rxPort.close();
    }
    txPage.close();
    rxPage.close();
  }
}

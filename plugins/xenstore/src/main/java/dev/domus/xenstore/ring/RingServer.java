package dev.domus.xenstore.ring;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Worker;
import dev.domus.xenstore.store.GuestRings;
import dev.domus.xenstore.store.Store;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.wire.Requests;
import java.lang.System.Logger.Level;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Serves all guests' rings with one worker.
 *
 * <p>Guests' events and the store's wake-up calls only put a connection into the queue of those
 * that want a turn, once; the mark is taken back before the turn begins, so that what happens
 * during it makes another. A connection with more to do than a turn holds goes to the queue's end.
 * The event thread of the domain is thus never held up by xenstore, and one guest never holds up
 * another by more than a turn.
 */
public final class RingServer implements GuestRings, AutoCloseable {
  /** The grant that the toolstack enters for the ring (xen-pv-abi.md, 12.1). */
  static final int RING_GRANT = 1;

  private static final System.Logger LOG = System.getLogger(RingServer.class.getName());

  private final Store store;
  private final Requests requests;
  private final Hypercalls hypercalls;
  private final Worker turns;

  /** Makes a server; {@link #start} begins to serve. */
  public RingServer(Store store, ServiceDomain domain) {
    this.store = store;
    hypercalls = domain.hypercalls();
    requests = new Requests(store);
    turns = domain.worker("xenstore-rings");
  }

  /** Begins to serve. */
  public void start() {
    store.serveRings(this);
  }

  /** Has the worker do something else between two turns. */
  public void submit(Runnable work) {
    turns.execute(work);
  }

  @Override
  public Ring open(int domid, int port) {
    Turn turn = new Turn();
    GrantMapping mapping;
    try {
      mapping = hypercalls.mapGrant(domid, RING_GRANT, true);
    } catch (HypercallException refused) {
      throw translated(refused);
    }
    GuestConnection connection = new GuestConnection(store, requests, domid, mapping, turn);
    try {
      connection.port(hypercalls.bindInterdomain(domid, port, turn));
    } catch (HypercallException refused) {
      connection.close();
      throw translated(refused);
    }
    turn.give(connection);
    return connection;
  }

  private static RuntimeException translated(HypercallException refused) {
    StoreError error =
        switch (refused.errno()) {
          case Errno.ESRCH, Errno.ENOENT -> StoreError.ENOENT;
          case Errno.EPERM, Errno.EACCES -> StoreError.EACCES;
          case Errno.ENOSPC, Errno.ENOMEM -> StoreError.ENOSPC;
          default -> StoreError.EINVAL;
        };
    return error.because(refused.getMessage());
  }

  /** Ends the worker and closes all rings. */
  @Override
  public void close() {
    turns.close();
    store.closeRings();
  }

  /** A connection's place in the queue: running it asks for a turn. */
  private final class Turn implements Runnable {
    private final AtomicBoolean waiting =
        new AtomicBoolean(true); // nobody can be served before give()
    private volatile GuestConnection connection;

    void give(GuestConnection made) {
      connection = made;
      turns.execute(this::take);
    }

    @Override
    public void run() {
      if (waiting.compareAndSet(false, true)) {
        turns.execute(this::take);
      }
    }

    private void take() {
      waiting.set(false);
      boolean more;
      try {
        more = connection.serve();
      } catch (RuntimeException mistake) {
        LOG.log(Level.ERROR, "xenstore: serving a ring failed, it is shut", mistake);
        connection.close();
        return;
      }
      if (more) {
        run();
      }
    }
  }
}

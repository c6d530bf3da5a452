package dev.domus.kernel.event;

import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import java.util.function.IntSupplier;

/**
 * The receiving end of a service domain's event channels: a thread that calls the handlers of
 * pending ports, one at a time, in the order of port numbers.
 *
 * <h2>Protocol</h2>
 *
 * <p>A bit a port says that it is pending. {@link #portPending} sets it and, if the thread sleeps,
 * unparks it; any number of notifications before the handler is called are one call. The thread
 * clears a bit <em>before</em> it calls the handler, so a notification during the call makes
 * another call. Neither side can miss the other: the thread announces that it will sleep before it
 * looks for bits the last time, and a notifier sets its bit before it looks whether the thread
 * sleeps.
 *
 * <p>Handlers are entered and removed under this object's monitor, and the thread looks a handler
 * up under it, together with clearing the bit. {@link #bind} holds it while the port is being
 * bound: a channel is pending as soon as it is bound, and the thread must find the handler then.
 * Lock order: this monitor, then those of {@link EventChannels}; the notifying side takes none.
 *
 * <p>A handler that throws has its port closed, so that it cannot fail again for ever, and
 * everybody else's handlers go on.
 */
public final class ServiceEvents implements EventTarget, AutoCloseable {
  /**
   * Ports that a service domain may have, port 0 included: as many as the FIFO ABI gives a guest.
   */
  public static final int PORTS = 1 << 17;

  private static final System.Logger LOG = System.getLogger(ServiceEvents.class.getName());
  private static final Runnable NO_HANDLER = () -> {};

  private final int domid;
  private final EventChannels channels;
  private final AtomicLongArray pending = new AtomicLongArray(PORTS / 64);

  /** Calls the handlers, or null if a worker does. */
  private final Thread thread;

  /** Words of {@link #pending} that may hold bits. Grows only, under the monitor. */
  private volatile int words;

  private volatile boolean sleeping;
  private volatile boolean closed;

  /** The domain has shut down: no handler is called any more. */
  private volatile boolean stopped;

  /** By port; under the monitor. */
  private Runnable[] handlers = new Runnable[64];

  /** Calls the handlers in place of a thread, or null. */
  private final Executor worker;

  /** With {@link #worker}: it has been asked to look. */
  private final AtomicBoolean asked = new AtomicBoolean();

  /**
   * Has a worker call the handlers: for a deterministic machine, where it makes them come at
   * defined instants.
   *
   * @param domid the domain's id
   * @param domains the other domains
   */
  public ServiceEvents(int domid, EventDomains domains, Executor worker) {
    this.domid = domid;
    this.worker = worker;
    channels = new EventChannels(this, domains);
    thread = null;
  }

  /**
   * Starts the event thread of a service domain.
   *
   * @param domid the domain's id
   * @param domains the other domains
   */
  public ServiceEvents(int domid, EventDomains domains) {
    this.domid = domid;
    worker = null;
    channels = new EventChannels(this, domains);
    thread = Thread.ofPlatform().daemon().name("domus-events-d" + domid).unstarted(this::serve);
    thread.start();
  }

  /** The ports. Those bound through them directly have no handler: use {@link #bind}. */
  public EventChannels channels() {
    return channels;
  }

  /**
   * Binds a port with a handler.
   *
   * @param operation an operation of {@link #channels} that binds one port
   * @param handler called on the event thread
   * @return what the operation returned: the port, or a negated error number
   */
  public synchronized int bind(IntSupplier operation, Runnable handler) {
    int port = operation.getAsInt();
    if (port > 0) {
      while (port >= handlers.length) {
        handlers =
            Arrays.copyOf(handlers, handlers.length * 2); // always a multiple of 64: whole words
      }
      handlers[port] = handler;
      words = Math.max(words, (port >>> 6) + 1);
      wake();
    }
    return port;
  }

  /**
   * Closes a port if it is still the one that was bound with this handler; does nothing otherwise.
   * The handler is not called afterwards, except for a call already under way.
   */
  public void close(int port, Runnable handler) {
    close(port, handler, channels::close);
  }

  /** The same by some other way to close a port. */
  public synchronized void close(int port, Runnable handler, IntConsumer closing) {
    if (handlers[port] == handler) {
      closing.accept(port);
      handlers[port] = null;
      takePending(port);
    }
  }

  // ---- EventTarget ----

  @Override
  public int domid() {
    return domid;
  }

  @Override
  public int vcpus() {
    return 1;
  }

  @Override
  public long vcpuInfo(int vcpu) {
    return -1;
  }

  @Override
  public long sharedInfo() {
    return -1;
  }

  @Override
  public void upcall(int vcpu) {
    throw new AssertionError("a service domain has no vcpu_info: domid=" + domid);
  }

  @Override
  public void portPending(int port) {
    long bit = 1L << port;
    if ((pending.getAndAccumulate(port >>> 6, bit, ServiceEvents::or) & bit) == 0) {
      wake();
    }
  }

  private static long or(long a, long b) {
    return a | b;
  }

  private void wake() {
    if (worker != null) {
      if (asked.compareAndSet(false, true)) {
        worker.execute(this::serveOnce);
      }
    } else if (sleeping) {
      LockSupport.unpark(thread);
    }
  }

  // ---- the event thread ----

  private void serve() {
    while (!closed && !stopped) {
      if (!handlePending()) {
        sleeping = true;
        if (!anyPending() && !closed && !stopped) {
          LockSupport.park(this);
        }
        sleeping = false;
      }
    }
  }

  private void serveOnce() {
    asked.set(false);
    while (handlePending()) {
      // A handler may have brought about another event.
    }
  }

  private boolean anyPending() {
    for (int word = 0; word < words; word++) {
      if (pending.get(word) != 0) {
        return true;
      }
    }
    return false;
  }

  /** Handles each port that is pending once; says whether there was one. */
  private boolean handlePending() {
    boolean any = false;
    for (int word = 0; word < words && !closed && !stopped; word++) {
      for (long bits = pending.get(word); bits != 0 && !closed && !stopped; bits &= bits - 1) {
        any = true;
        handle(word << 6 | Long.numberOfTrailingZeros(bits));
      }
    }
    return any;
  }

  private void handle(int port) {
    Runnable handler = take(port);
    try {
      handler.run();
    } catch (RuntimeException | Error failure) {
      // Whatever a handler throws is its own failure; the thread serves everybody else's ports too.
      LOG.log(
          Level.ERROR,
          "event handler failed, its port is closed: domid=" + domid + " port=" + port,
          failure);
      close(port, handler);
    }
  }

  private synchronized Runnable take(int port) {
    takePending(port);
    Runnable handler = handlers[port];
    return handler == null ? NO_HANDLER : handler;
  }

  private void takePending(int port) {
    pending.getAndAccumulate(port >>> 6, ~(1L << port), ServiceEvents::and);
  }

  private static long and(long a, long b) {
    return a & b;
  }

  /** Calls no handler any more, except for one under way; ports stay as they are. Any thread. */
  public void stop() {
    stopped = true;
    LockSupport.unpark(thread);
  }

  /**
   * Closes all ports and ends the event thread; waits for a handler under way unless called by one.
   */
  @Override
  public void close() {
    channels.closeAll();
    closed = true;
    LockSupport.unpark(thread);
    if (thread != null && Thread.currentThread() != thread) {
      boolean interrupted = false;
      while (thread.isAlive()) {
        try {
          thread.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}

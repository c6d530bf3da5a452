package dev.domus.console;

import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.Worker;
import dev.domus.memory.WindowRevokedException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntConsumer;

/**
 * One domain's console: its ring if there is one yet, what it has printed, and who is attached.
 *
 * <h2>Output</h2>
 *
 * <p>A worker of the console's own moves bytes from the ring to the {@link OutputLog} whenever the
 * guest notifies; each client's worker carries the log to its client. A byte is in the log before
 * its room in the ring is given back, so a guest that waits for its ring to be empty before it
 * powers off has been heard.
 *
 * <p>The guest is not made to wait, with one exception: where a client that takes its output lags a
 * whole log behind, the ring is left alone until it has caught up, so that a pipe which is slower
 * than the guest gets everything. A client that has taken nothing for {@link Client#PATIENCE_NANOS}
 * is not waited for; it finds a note of what it has missed.
 *
 * <p>{@link #drain} asks the worker for one more look at the ring, notified or not, waits for that,
 * and then for its client to be given all that the log has at that moment.
 *
 * <h2>Input</h2>
 *
 * <p>Clients write to the ring themselves, under the lock, one call at a time ({@link #typist});
 * who finds it full waits. The guest is meant to notify when it has read; as some do not, the wait
 * ends every {@link #LOOK_AGAIN_NANOS} too.
 *
 * <h2>Life and locks</h2>
 *
 * <p>Waiting for its domain → linked → shut (bad indices) or ended (the domain has gone). At the
 * end the worker takes what is left in the ring, and only then is the mapping given back. One lock
 * guards everything and is never held while a client's output runs. Below it come only the
 * hypervisor's own locks.
 */
final class Console {
  private static final long LOOK_AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  private static final System.Logger LOG = System.getLogger(Console.class.getName());

  private final int domid;
  private final Consumer<Console> whenIdle;
  private final IntConsumer lookForDomain;
  private final Function<String, Worker> workers;
  private final ReentrantLock lock = new ReentrantLock();

  /** Something has changed that somebody may wait for. */
  private final Condition changed = lock.newCondition();

  private final OutputLog log = new OutputLog();
  private final List<Client> clients = new ArrayList<>();
  private final byte[] passing = new byte[ConsoleRingLayout.OUT_BYTES];
  private Optional<Link> link = Optional.empty();

  /** Looks at the ring; while a ring is served. */
  private Optional<Worker> looker = Optional.empty();

  private Optional<Client> typist = Optional.empty();
  private boolean linkedOnce;

  /** A look has been asked for and has not begun. */
  private boolean notified;

  private boolean ended;
  private boolean lapReported;

  /**
   * Makes a console that waits for its domain.
   *
   * @param workers makes workers, by name
   * @param whenIdle called, outside the lock, when nobody is attached any more to a console that
   *     has had no ring
   * @param lookForDomain called, outside the lock, to find the domain's ring where it has not been
   *     heard of yet
   */
  Console(
      int domid,
      Function<String, Worker> workers,
      Consumer<Console> whenIdle,
      IntConsumer lookForDomain) {
    this.domid = domid;
    this.workers = workers;
    this.whenIdle = whenIdle;
    this.lookForDomain = lookForDomain;
  }

  int domid() {
    return domid;
  }

  // ---- for clients, who hold the lock ----

  void lock() {
    lock.lock();
  }

  void unlock() {
    lock.unlock();
  }

  OutputLog log() {
    return log;
  }

  void changed() {
    changed.signalAll();
  }

  void remove(Client client) {
    clients.remove(client);
    changed.signalAll();
  }

  // ---- life ----

  Client attach(ConsoleService.Output output) {
    lock.lock();
    try {
      Client client =
          new Client(this, output, log.start(), workers.apply("console-client-d" + domid));
      clients.add(client);
      client.wake();
      return client;
    } finally {
      lock.unlock();
    }
  }

  /** Says whether a ring has been served here, now or earlier. */
  boolean linkedOnce() {
    lock.lock();
    try {
      return linkedOnce;
    } finally {
      lock.unlock();
    }
  }

  /** Begins to serve a ring. */
  void open(Link opened) {
    lock.lock();
    try {
      link = Optional.of(opened);
      linkedOnce = true;
      looker = Optional.of(workers.apply("console-d" + domid));
      askForLook();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The guest has notified. */
  void notified() {
    lock.lock();
    try {
      askForLook();
    } finally {
      lock.unlock();
    }
  }

  private void askForLook() {
    if (!notified && looker.isPresent()) {
      notified = true;
      looker.get().execute(this::look);
    }
  }

  private void look() {
    lock.lock();
    try {
      notified = false;
      take();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** The domain has gone: takes what is left and gives the ring back. Returns when that is done. */
  void end() {
    looker()
        .ifPresent(worker -> {
          worker.call(this::takeTheLast);
          worker.close();
        });
    lock.lock();
    try {
      ended = true;
      clients.forEach(Client::finish);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private Optional<Worker> looker() {
    lock.lock();
    try {
      return looker;
    } finally {
      lock.unlock();
    }
  }

  private void takeTheLast() {
    lock.lock();
    try {
      take();
    } finally {
      unlink();
      changed.signalAll();
      lock.unlock();
    }
  }

  private void unlink() {
    Optional<Link> old = link;
    link = Optional.empty();
    old.ifPresent(Link::close);
  }

  private void shut(BadRingException bad) {
    LOG.log(Level.WARNING, "console of domain " + domid + " is shut: " + bad.getMessage());
    unlink();
    changed.signalAll();
  }

  // ---- output ----

  /** Takes what the ring holds at this moment. */
  private void take() {
    if (link.isEmpty()) {
      return; // shut by a typist meanwhile
    }
    try {
      Link serving = link.get();
      int count = serving.ring().waiting();
      if (count > 0) {
        serving.ring().peek(passing, count);
        awaitRoom(count);
        log.append(passing, count);
        clients.forEach(Client::wake);
        serving.ring().release(count);
        serving.port().send();
      }
    } catch (BadRingException bad) {
      shut(bad);
    } catch (WindowRevokedException gone) {
      unlink();
    }
  }

  /** Waits until bytes can be appended without a client losing some, if that can be helped. */
  private void awaitRoom(int count) {
    long oldest = log.end() + count - OutputLog.CAPACITY;
    while (clients.stream().anyMatch(client -> client.delivered() < oldest && !client.stalled())) {
      try {
        changed.awaitNanos(Client.PATIENCE_NANOS / 10);
      } catch (InterruptedException e) {
        return; // nobody interrupts this thread; if somebody does, the guest is not made to wait
      }
    }
  }

  void drain(Client client) throws InterruptedException {
    if (!linkedOnce()) {
      lookForDomain.accept(domid);
    }
    looker().ifPresent(worker -> worker.call(this::look));
    lock.lockInterruptibly();
    try {
      long all = log.end();
      while (client.delivered() < all && !client.closed()) {
        changed.await();
      }
    } finally {
      lock.unlock();
    }
  }

  // ---- input ----

  void type(Client client, byte[] bytes, int offset, int length) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (typist.isPresent()) {
        requireOpen(client);
        changed.await();
      }
      typist = Optional.of(client);
      try {
        int done = 0;
        while (done < length) {
          requireOpen(client);
          int count = type(bytes, offset + done, length - done);
          done += count;
          if (count == 0) {
            changed.awaitNanos(LOOK_AGAIN_NANOS);
          }
        }
      } finally {
        typist = Optional.empty();
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Types what there is room for at this moment; returns how many bytes. */
  int offer(Client client, byte[] bytes, int offset, int length) {
    lock.lock();
    try {
      requireOpen(client);
      return typist.isPresent() ? 0 : type(bytes, offset, length);
    } finally {
      lock.unlock();
    }
  }

  private int type(byte[] bytes, int offset, int length) {
    if (link.isEmpty()) {
      return 0; // the domain is still to come
    }
    Link serving = link.get();
    try {
      int count = serving.ring().type(bytes, offset, length);
      if (count > 0) {
        serving.port().send();
        reportFirstLap(serving.ring());
      }
      return count;
    } catch (BadRingException bad) {
      shut(bad);
    } catch (WindowRevokedException gone) {
      unlink();
    }
    return 0;
  }

  private void reportFirstLap(ConsoleRing ring) {
    if (!lapReported && ring.passedFirstLap()) {
      lapReported = true;
      LOG.log(
          Level.INFO,
          "domain %d has been given more than %d bytes of input: a guest that does not mask its ring index, such as GRUB, "
                  .formatted(domid, ConsoleRingLayout.IN_BYTES)
              + "reads wrong keys from here on; remedy: boot it again");
    }
  }

  private void requireOpen(Client client) {
    if (client.closed()) {
      throw new IllegalStateException("this console was closed: domid=" + domid);
    }
    if (ended || linkedOnce && link.isEmpty()) {
      throw new IllegalStateException("nobody reads this console any more: domid=" + domid);
    }
  }

  /**
   * Says whether the console can be forgotten: nobody is attached, and no ring is or was served.
   */
  boolean idle() {
    lock.lock();
    try {
      return clients.isEmpty() && !linkedOnce;
    } finally {
      lock.unlock();
    }
  }

  void reportIfIdle() {
    if (idle()) {
      whenIdle.accept(this);
    }
  }
}

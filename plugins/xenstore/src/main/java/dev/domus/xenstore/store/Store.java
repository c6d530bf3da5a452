package dev.domus.xenstore.store;

import dev.domus.kernel.service.StoreException;
import dev.domus.xenstore.tree.Caller;
import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.Permissions;
import dev.domus.xenstore.tree.Permissions.Right;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.tree.StorePath;
import dev.domus.xenstore.tree.Tree;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The store: one tree, its watches, and the domains that it has been told of. Guests' rings and
 * service domains' connections call the same methods; what differs is only who calls.
 *
 * <h2>Threads</h2>
 *
 * <p>One lock, this object's monitor, guards everything. It is held for one operation, never while
 * somebody waits: events are put into the bounded queue of the connection that they are for, and
 * whoever serves that connection takes them from there ({@link #takeEvent}). So a client that does
 * not listen costs the others nothing.
 *
 * <p>Lock order: this monitor, then those of the hypervisor (INTRODUCE and RELEASE map, bind and
 * unmap under it). The wake-up call of a connection is made under it and must take no lock that is
 * held while calling the store.
 *
 * <h2>Order</h2>
 *
 * <p>A change and the queueing of its events are one step: whoever is told of an event finds the
 * change made, and two connections see events of two changes in the same order.
 *
 * <p>Paths are the text that the client sent; each is checked here. All methods throw {@link
 * StoreException}, having changed nothing, except that a transaction which cannot be committed is
 * gone.
 */
public final class Store {
  private final Tree tree = new Tree();
  private final View current = View.of(tree);
  private final WatchTable watches = new WatchTable();
  private final Map<Integer, IntroducedDomain> domains = new HashMap<>();
  private final Map<StorePath, Permissions> specialPermissions = new HashMap<>();
  private GuestRings rings =
      (domid, port) -> {
        throw StoreError.ENOSYS.because("this store serves no rings: domid=" + domid);
      };

  /** Makes a store that holds what clients expect to find from the start. */
  public Store() {
    specialPermissions.put(StorePath.INTRODUCE_DOMAIN, Permissions.ownedBy(Caller.PRIVILEGED));
    specialPermissions.put(StorePath.RELEASE_DOMAIN, Permissions.ownedBy(Caller.PRIVILEGED));
    Caller self = Caller.of(Caller.PRIVILEGED);
    Operations.apply(current, self, new Change.Make(new StorePath("/tool/xenstored")));
    Operations.apply(
        current, self, new Change.Make(new StorePath(StorePath.home(Caller.PRIVILEGED))));
  }

  /** Says who serves guests' rings. */
  public synchronized void serveRings(GuestRings server) {
    rings = server;
  }

  // ---- connections ----

  /**
   * Opens a connection.
   *
   * @param domid on whose behalf it acts
   * @param wake called when an event has begun to wait, and when the connection is closed; must not
   *     block
   */
  public Connection open(int domid, Runnable wake) {
    return new Connection(Caller.of(domid), wake);
  }

  /** Ends a connection: its watches and transactions are gone. A second call does nothing. */
  public synchronized void close(Connection connection) {
    connection.watches().forEach(watches::remove);
    connection.close();
  }

  /** Takes the next event that waits for a connection. */
  public synchronized Optional<WatchEvent> takeEvent(Connection connection) {
    return connection.takeEvent();
  }

  // ---- nodes ----

  /** A node's value; not to be changed. */
  public synchronized byte[] read(Connection connection, int transaction, String path) {
    return readable(connection, transaction, path).value();
  }

  /** A node with the list of its children. */
  public synchronized Node directory(Connection connection, int transaction, String path) {
    return readable(connection, transaction, path);
  }

  /** A node's permissions, or those of a special event. */
  public synchronized Permissions permissions(Connection connection, int transaction, String path) {
    StorePath checked = StorePath.ofAny(path, connection.domid());
    return checked.special()
        ? specialPermissions(checked)
        : readable(connection, transaction, path).permissions();
  }

  private Node readable(Connection connection, int transaction, String path) {
    StorePath checked = StorePath.of(path, connection.domid());
    return Operations.readable(view(connection, transaction), connection.caller(), checked);
  }

  /** Sets a value, making the node and its parents where missing. */
  public void write(Connection connection, int transaction, String path, byte[] value) {
    change(
        connection, transaction, new Change.Write(StorePath.of(path, connection.domid()), value));
  }

  /** Makes a node and its parents where missing. */
  public void mkdir(Connection connection, int transaction, String path) {
    change(connection, transaction, new Change.Make(StorePath.of(path, connection.domid())));
  }

  /** Removes a node and all below it. */
  public void remove(Connection connection, int transaction, String path) {
    change(connection, transaction, new Change.Remove(StorePath.of(path, connection.domid())));
  }

  /** Sets the permissions of a node or of a special event. */
  public synchronized void setPermissions(
      Connection connection, int transaction, String path, List<String> permissions) {
    StorePath checked = StorePath.ofAny(path, connection.domid());
    Permissions parsed = known(connection.caller(), Permissions.parse(permissions));
    if (checked.special()) {
      Operations.checkPermissions(
          connection.caller(), checked, specialPermissions(checked), parsed);
      specialPermissions.put(checked, parsed);
    } else {
      change(connection, transaction, new Change.SetPermissions(checked, parsed));
    }
  }

  /**
   * Rights that the unprivileged give to domains which do not exist are dropped: a later domain is
   * a stranger.
   */
  private Permissions known(Caller caller, Permissions permissions) {
    Permissions known = permissions;
    if (!caller.privileged()) {
      for (Permissions.Entry entry : permissions.entries()) {
        if (entry.domid() != Caller.PRIVILEGED
            && !caller.is(entry.domid())
            && !domains.containsKey(entry.domid())) {
          known = known.without(entry.domid());
        }
      }
    }
    return known;
  }

  private Permissions specialPermissions(StorePath path) {
    Permissions permissions = specialPermissions.get(path);
    if (permissions == null) {
      throw StoreError.ENOENT.because("no such event: path=" + path);
    }
    return permissions;
  }

  private synchronized void change(Connection connection, int transaction, Change change) {
    Caller caller = connection.caller();
    if (transaction == 0) {
      Operations.apply(current, caller, change).ifPresent(watches::fire);
      return;
    }
    Transaction open = transaction(connection, transaction);
    open.note(change);
    try {
      Operations.apply(open, caller, change);
    } catch (StoreException refused) {
      open.forgetLast();
      throw refused;
    }
  }

  // ---- transactions ----

  /** Starts a transaction and returns its id, which is not 0. */
  public synchronized int begin(Connection connection) {
    if (!connection.caller().privileged()
        && connection.transactions().size() >= Quota.TRANSACTIONS) {
      throw StoreError.ENOSPC.because(
          "too many transactions: domid=%d limit=%d"
              .formatted(connection.domid(), Quota.TRANSACTIONS));
    }
    int id = connection.freeTransactionId();
    connection.transactions().put(id, new Transaction(tree, connection.caller()));
    return id;
  }

  /** Ends a transaction; fails with EAGAIN if it is to be committed and met another. */
  public synchronized void end(Connection connection, int transaction, boolean commit) {
    Transaction ended = transaction(connection, transaction);
    connection.transactions().remove(transaction);
    if (!commit) {
      return;
    }
    if (!ended.holds(tree)) {
      throw StoreError.EAGAIN.because(
          "what the transaction saw has changed: transaction=" + transaction);
    }
    Tree branch = tree.branch();
    View view = View.of(branch);
    List<Effect> effects = new ArrayList<>();
    for (Change change : ended.changes()) {
      Operations.apply(view, connection.caller(), change).ifPresent(effects::add);
    }
    tree.adopt(branch);
    effects.forEach(watches::fire);
  }

  /** Says whether a transaction is one of the connection's that are open, or none is meant. */
  public synchronized boolean knows(Connection connection, int transaction) {
    return transaction == 0 || connection.transactions().containsKey(transaction);
  }

  private View view(Connection connection, int transaction) {
    return transaction == 0 ? current : transaction(connection, transaction);
  }

  private static Transaction transaction(Connection connection, int id) {
    Transaction transaction = connection.transactions().get(id);
    if (transaction == null) {
      throw StoreError.ENOENT.because("no such transaction: transaction=%d".formatted(id));
    }
    return transaction;
  }

  // ---- watches ----

  /**
   * Begins to watch; one event waits at once.
   *
   * @param depth how many levels below the path count, if not all; for a special event, 1 asks for
   *     the domain's id
   */
  public synchronized Watch watch(
      Connection connection, String path, String token, OptionalInt depth) {
    StorePath checked = StorePath.ofAny(path, connection.domid());
    if (token.length() > Quota.TOKEN_BYTES) {
      throw StoreError.E2BIG.because(
          "token too long: length=%d limit=%d".formatted(token.length(), Quota.TOKEN_BYTES));
    }
    if (connection.closed()) {
      throw StoreError.EIO.because("the connection is closed: domid=" + connection.domid());
    }
    if (find(connection, checked, token).isPresent()) {
      throw StoreError.EEXIST.because("watched already: path=%s token=%s".formatted(path, token));
    }
    if (!connection.caller().privileged() && connection.watches().size() >= Quota.WATCHES) {
      throw StoreError.E2BIG.because(
          "too many watches: domid=%d limit=%d".formatted(connection.domid(), Quota.WATCHES));
    }
    int strip = StorePath.isRelative(path) ? StorePath.home(connection.domid()).length() + 1 : 0;
    Watch watch = new Watch(connection, checked, token, strip, depth);
    connection.watches().add(watch);
    watches.add(watch);
    connection.queue(watch, watch.report(checked));
    return watch;
  }

  /** Ends a watch; events of it that still wait are dropped. */
  public synchronized Watch unwatch(Connection connection, String path, String token) {
    StorePath checked = StorePath.ofAny(path, connection.domid());
    Watch watch =
        find(connection, checked, token)
            .orElseThrow(() ->
                StoreError.ENOENT.because(
                    "no such watch: path=%s token=%s".formatted(path, token)));
    watches.remove(watch);
    connection.watches().remove(watch);
    connection.dropEvents(watch);
    return watch;
  }

  /**
   * Ends all watches and transactions of a connection, for a kernel that starts where another was
   * before.
   */
  public synchronized void resetWatches(Connection connection) {
    connection.watches().forEach(watches::remove);
    connection.watches().forEach(connection::dropEvents);
    connection.watches().clear();
    connection.transactions().clear();
  }

  private static Optional<Watch> find(Connection connection, StorePath path, String token) {
    return connection.watches().stream()
        .filter(watch -> watch.path().equals(path) && watch.token().equals(token))
        .findFirst();
  }

  private void fireSpecial(StorePath event, int domid) {
    for (Watch watch : watches.at(event.text())) {
      Connection owner = watch.owner();
      if (specialPermissions.get(event).allow(owner.caller(), Right.READ)) {
        owner.queue(watch, watch.wantsDomid() ? event.text() + "/" + domid : event.text());
      }
    }
  }

  // ---- domains ----

  /**
   * Tells the store of a domain whose ring is to be served; of one that it knows, the ring is
   * opened again.
   */
  public synchronized void introduce(Connection connection, int domid, int port) {
    requirePrivilege(connection, "introduce");
    IntroducedDomain known = domains.get(domid);
    if (known == null) {
      domains.put(domid, new IntroducedDomain(domid, rings.open(domid, port)));
      fireSpecial(StorePath.INTRODUCE_DOMAIN, domid);
    } else {
      known.ring().close();
      known.ring(rings.open(domid, port));
    }
  }

  /** Tells the store that a domain has gone. */
  public synchronized void release(Connection connection, int domid) {
    requirePrivilege(connection, "release");
    drop(introduced(domid));
  }

  /** Tells the store that a domain which had shut down runs again. */
  public synchronized void resume(Connection connection, int domid) {
    requirePrivilege(connection, "resume");
    introduced(domid).shutDown(false);
  }

  /** Gives a domain the rights of another, which it serves as a device model. */
  public synchronized void setTarget(Connection connection, int domid, int target) {
    requirePrivilege(connection, "set the target of");
    introduced(target);
    introduced(domid).ring().connection().caller(new Caller(domid, target));
  }

  /** Says whether the store has been told of a domain; domain 0 needs no telling. */
  public synchronized boolean isIntroduced(int domid) {
    return domid == Caller.PRIVILEGED || domains.containsKey(domid);
  }

  /** The domains that the store has been told of. */
  public synchronized List<IntroducedDomain> introduced() {
    return List.copyOf(domains.values());
  }

  /** The hypervisor says that a domain is no more. */
  public synchronized void gone(IntroducedDomain domain) {
    if (domains.get(domain.domid()) == domain) {
      drop(domain);
    }
  }

  /** The hypervisor says that a domain has shut down or crashed. */
  public synchronized void hasShutDown(IntroducedDomain domain) {
    if (domains.get(domain.domid()) == domain && !domain.shutDown()) {
      domain.shutDown(true);
      fireSpecial(StorePath.RELEASE_DOMAIN, domain.domid());
    }
  }

  /** Closes all rings. */
  public synchronized void closeRings() {
    domains.values().forEach(domain -> domain.ring().close());
  }

  private void drop(IntroducedDomain domain) {
    int domid = domain.domid();
    domains.remove(domid);
    domain.ring().close();
    for (IntroducedDomain other : domains.values()) {
      Connection connection = other.ring().connection();
      if (connection.caller().target() == domid) {
        connection.caller(Caller.of(other.domid()));
      }
    }
    for (Tree.Removed removed : tree.forget(domid)) {
      Node parent = tree.find(removed.path().parent()).orElseThrow();
      watches.fire(
          new Effect(removed.path(), Optional.of(removed.node()), Optional.empty(), parent));
    }
    specialPermissions.replaceAll((event, permissions) -> permissions.without(domid));
    fireSpecial(StorePath.RELEASE_DOMAIN, domid);
  }

  private IntroducedDomain introduced(int domid) {
    IntroducedDomain domain = domains.get(domid);
    if (domain == null) {
      throw StoreError.ENOENT.because("no such domain: domid=" + domid);
    }
    return domain;
  }

  private static void requirePrivilege(Connection connection, String what) {
    if (!connection.caller().privileged()) {
      throw StoreError.EACCES.because(
          "domain %d may not %s domains".formatted(connection.domid(), what));
    }
  }

  /** How many nodes a domain owns. */
  public synchronized int owned(int domid) {
    return tree.owned(domid);
  }
}

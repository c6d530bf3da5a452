package dev.domus.xenstore.wire;

import dev.domus.kernel.service.StoreException;
import dev.domus.xenstore.store.Connection;
import dev.domus.xenstore.store.Quota;
import dev.domus.xenstore.store.Store;
import dev.domus.xenstore.store.WatchEvent;
import dev.domus.xenstore.tree.Node;
import dev.domus.xenstore.tree.StoreError;
import dev.domus.xenstore.tree.StorePath;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;

/**
 * What each request asks of the store (xen-pv-abi.md, 15.2), in the order of the protocol's
 * numbers.
 *
 * <p>Every request has exactly one reply, and whatever a client sends makes a reply: an error by
 * its name, EIO for what would be our own mistake. Stateless; safe for any thread.
 */
public final class Requests {
  private static final System.Logger LOG = System.getLogger(Requests.class.getName());

  private final Store store;

  /** Makes the table of requests for a store. */
  public Requests(Store store) {
    this.store = store;
  }

  /**
   * Carries a request out.
   *
   * @param type the message's type, unchecked
   * @param transaction the transaction that it belongs to, 0 for none, unchecked
   * @param payload the arguments, unchecked
   */
  public Reply answer(Connection connection, int type, int transaction, byte[] payload) {
    try {
      return carryOut(connection, type, transaction, new Arguments(payload));
    } catch (StoreException refused) {
      return Reply.error(refused.error());
    } catch (RuntimeException mistake) {
      LOG.log(
          Level.ERROR, "request failed: domid=" + connection.domid() + " type=" + type, mistake);
      return Reply.error(StoreError.EIO.name());
    }
  }

  /** The message that tells of an event. */
  public static byte[] message(WatchEvent event) {
    byte[] payload =
        (event.path() + "\0" + event.watch().token() + "\0").getBytes(StandardCharsets.ISO_8859_1);
    return MessageLayout.message(MessageType.WATCH_EVENT, 0, 0, payload);
  }

  private Reply carryOut(Connection connection, int type, int transaction, Arguments arguments) {
    return switch (type) {
      case MessageType.CONTROL -> control(connection, arguments);
      case MessageType.DIRECTORY -> directory(connection, transaction, arguments);
      case MessageType.READ ->
          new Reply(type, store.read(connection, transaction, arguments.first()));
      case MessageType.GET_PERMS ->
          strings(type, store.permissions(connection, transaction, arguments.first()).texts());
      case MessageType.WATCH -> watch(connection, arguments);
      case MessageType.UNWATCH -> {
        List<String> strings = arguments.strings(2);
        store.unwatch(connection, strings.get(0), strings.get(1));
        yield Reply.ok(type);
      }
      case MessageType.TRANSACTION_START -> {
        if (transaction != 0) {
          throw StoreError.EBUSY.because("transactions do not nest: transaction=" + transaction);
        }
        yield Reply.text(type, store.begin(connection) + "\0");
      }
      case MessageType.TRANSACTION_END -> {
        store.end(connection, transaction, truth(arguments.first()));
        yield Reply.ok(type);
      }
      case MessageType.INTRODUCE -> introduce(connection, arguments);
      case MessageType.RELEASE -> {
        store.release(connection, Arguments.domid(arguments.first()));
        yield Reply.ok(type);
      }
      case MessageType.GET_DOMAIN_PATH ->
          Reply.text(type, StorePath.home(Arguments.domid(arguments.first())) + "\0");
      case MessageType.WRITE -> {
        store.write(connection, transaction, arguments.pathOfWrite(), arguments.valueOfWrite());
        yield Reply.ok(type);
      }
      case MessageType.MKDIR -> {
        store.mkdir(connection, transaction, arguments.first());
        yield Reply.ok(type);
      }
      case MessageType.RM -> {
        store.remove(connection, transaction, arguments.first());
        yield Reply.ok(type);
      }
      case MessageType.SET_PERMS -> {
        List<String> strings = arguments.strings(2);
        store.setPermissions(
            connection, transaction, strings.getFirst(), strings.subList(1, strings.size()));
        yield Reply.ok(type);
      }
      case MessageType.IS_DOMAIN_INTRODUCED ->
          Reply.text(type, store.isIntroduced(Arguments.domid(arguments.first())) ? "T\0" : "F\0");
      case MessageType.RESUME -> {
        store.resume(connection, Arguments.domid(arguments.first()));
        yield Reply.ok(type);
      }
      case MessageType.SET_TARGET -> {
        List<String> strings = arguments.strings(2);
        store.setTarget(
            connection, Arguments.domid(strings.get(0)), Arguments.domid(strings.get(1)));
        yield Reply.ok(type);
      }
      case MessageType.RESET_WATCHES -> {
        store.resetWatches(connection);
        yield Reply.ok(type);
      }
      case MessageType.DIRECTORY_PART -> directoryPart(connection, transaction, arguments);
      default -> throw StoreError.ENOSYS.because("no such request: type=" + type);
    };
  }

  private Reply control(Connection connection, Arguments arguments) {
    if (connection.domid() != 0) {
      throw StoreError.EACCES.because(
          "domain %d may not control the store".formatted(connection.domid()));
    }
    List<String> strings = arguments.strings(1);
    return switch (strings.getFirst()) {
      case "help" -> Reply.text(MessageType.CONTROL, "help\nquota [domid]\n\0");
      case "quota" ->
          Reply.text(
              MessageType.CONTROL,
              strings.size() > 1
                  ? "nodes=%d\n\0".formatted(store.owned(Arguments.domid(strings.get(1))))
                  : "nodes=%d\nvalue=%d\nwatches=%d\ntransactions=%d\ntransaction-nodes=%d\n\0"
                      .formatted(
                          Quota.NODES,
                          Quota.VALUE_BYTES,
                          Quota.WATCHES,
                          Quota.TRANSACTIONS,
                          Quota.TRANSACTION_NODES));
      default -> throw StoreError.EINVAL.because("no such command: command=" + strings.getFirst());
    };
  }

  private Reply directory(Connection connection, int transaction, Arguments arguments) {
    return strings(
        MessageType.DIRECTORY,
        store.directory(connection, transaction, arguments.first()).children());
  }

  private static Reply strings(int type, List<String> strings) {
    StringBuilder text = new StringBuilder();
    for (String string : strings) {
      text.append(string).append('\0');
    }
    if (text.length() > MessageLayout.PAYLOAD_MAX) {
      throw StoreError.E2BIG.because("the answer exceeds a message: length=" + text.length());
    }
    return Reply.text(type, text.toString());
  }

  /**
   * A directory too large for one message, in pieces: the node's generation, the names from a byte
   * offset on that fit, and an empty name behind the last one. A client that finds the generation
   * changed begins again.
   */
  private Reply directoryPart(Connection connection, int transaction, Arguments arguments) {
    List<String> strings = arguments.strings(2);
    int offset = Arguments.number(strings.get(1), Integer.MAX_VALUE);
    Node node = store.directory(connection, transaction, strings.getFirst());
    StringBuilder text = new StringBuilder().append(node.generation()).append('\0');
    long at = 0;
    boolean complete = true;
    for (String name : node.children()) {
      if (at >= offset) {
        if (text.length() + name.length() + 1
            > MessageLayout.PAYLOAD_MAX - 1) { // room for the empty name
          complete = false;
          break;
        }
        text.append(name).append('\0');
      }
      at += name.length() + 1;
    }
    if (complete) {
      text.append('\0');
    }
    return Reply.text(MessageType.DIRECTORY_PART, text.toString());
  }

  private Reply watch(Connection connection, Arguments arguments) {
    List<String> strings = arguments.strings(2);
    OptionalInt depth =
        strings.size() > 2
            ? OptionalInt.of(Arguments.number(strings.get(2), StorePath.ABSOLUTE_MAX))
            : OptionalInt.empty();
    store.watch(connection, strings.get(0), strings.get(1), depth);
    return Reply.ok(MessageType.WATCH);
  }

  private Reply introduce(Connection connection, Arguments arguments) {
    List<String> strings =
        arguments.strings(3); // domain, frame of the ring, port; the ring is found by its grant
    store.introduce(
        connection,
        Arguments.domid(strings.get(0)),
        Arguments.number(strings.get(2), Integer.MAX_VALUE));
    return Reply.ok(MessageType.INTRODUCE);
  }

  private static boolean truth(String text) {
    return switch (text) {
      case "T" -> true;
      case "F" -> false;
      default -> throw StoreError.EINVAL.because("neither T nor F: argument=" + text);
    };
  }
}

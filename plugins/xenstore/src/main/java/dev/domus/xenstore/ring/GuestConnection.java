package dev.domus.xenstore.ring;

import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.memory.WindowRevokedException;
import dev.domus.xenstore.store.Connection;
import dev.domus.xenstore.store.GuestRings;
import dev.domus.xenstore.store.Store;
import dev.domus.xenstore.store.WatchEvent;
import dev.domus.xenstore.wire.MessageLayout;
import dev.domus.xenstore.wire.Reply;
import dev.domus.xenstore.wire.Requests;
import java.lang.System.Logger.Level;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One guest's conversation with the store.
 *
 * <h2>Protocol</h2>
 *
 * <p>Requests arrive in pieces and are put together in {@link #incoming}; at most one message is on
 * its way out in {@link #outgoing}, and leaves in pieces as room appears. The next request is not
 * taken before the reply to the last one has left entirely, so replies come in the order of
 * requests and nothing ever comes inside a message. Between messages an event that waits goes
 * first, then a request, in turn: neither a guest that asks without end nor one that is told
 * without end starves the other half.
 *
 * <p>So a guest that does not read is owed one message and its bounded queue of events, and is
 * simply not served until it reads. Every turn ends: it carries out at most {@link #TURN} messages.
 *
 * <h2>Threads</h2>
 *
 * <p>{@link #serve} runs on the ring server's thread only; nothing here is locked. {@link #close}
 * may come from any thread, also in the middle of a turn: the window is revoked then, and the turn
 * ends with the exception that it throws.
 */
final class GuestConnection implements GuestRings.Ring {
  /** Messages in one turn, so that many busy guests share the thread. */
  private static final int TURN = 32;

  private static final byte[] NOTHING = {};
  private static final System.Logger LOG = System.getLogger(GuestConnection.class.getName());

  private final Store store;
  private final Requests requests;
  private final int domid;
  private final GrantMapping mapping;
  private final XenstoreRing ring;
  private final Connection connection;
  private final AtomicBoolean closed = new AtomicBoolean();

  /** Set once, right after binding; the first turn comes later than that. */
  private volatile Optional<EventPort> port = Optional.empty();

  private final byte[] header = new byte[MessageLayout.HEADER_BYTES];
  private byte[] incoming = header;
  private int received;
  private byte[] outgoing = NOTHING;
  private int sent;
  private boolean eventLast;
  private boolean moved;

  /**
   * Begins a conversation.
   *
   * @param wake has the server give this connection a turn
   */
  GuestConnection(Store store, Requests requests, int domid, GrantMapping mapping, Runnable wake) {
    this.store = store;
    this.requests = requests;
    this.domid = domid;
    this.mapping = mapping;
    ring = new XenstoreRing(mapping.window());
    connection = store.open(domid, wake);
  }

  /** Says by which port the guest is notified. */
  void port(EventPort bound) {
    port = Optional.of(bound);
  }

  @Override
  public Connection connection() {
    return connection;
  }

  /**
   * Takes a turn.
   *
   * @return whether there was more to do than a turn holds
   */
  boolean serve() {
    if (closed.get() || port.isEmpty()) {
      return false;
    }
    try {
      return converse();
    } catch (WindowRevokedException gone) {
      close();
    } catch (BadRingException bad) {
      shut(bad);
    }
    return false;
  }

  private boolean converse() throws BadRingException {
    moved = false;
    int messages = 0;
    while (messages < TURN && flush() && next()) {
      messages++;
    }
    if (moved) {
      port.get().send();
    }
    return messages == TURN;
  }

  /** Sends what is on its way; says whether all of it has left. */
  private boolean flush() throws BadRingException {
    if (sent < outgoing.length) {
      int count = ring.write(outgoing, sent, outgoing.length - sent);
      sent += count;
      moved |= count > 0;
    }
    return sent == outgoing.length;
  }

  /** Prepares the next message to be sent; says whether there is one. */
  private boolean next() throws BadRingException {
    if (!eventLast && nextEvent() || nextReply()) {
      return true;
    }
    return eventLast && nextEvent();
  }

  private boolean nextEvent() {
    Optional<WatchEvent> event = store.takeEvent(connection);
    event.ifPresent(taken -> send(Requests.message(taken)));
    eventLast = event.isPresent();
    return eventLast;
  }

  private boolean nextReply() throws BadRingException {
    if (!receive()) {
      return false;
    }
    byte[] request = incoming;
    incoming = header;
    received = 0;
    int type = MessageLayout.type(request);
    int transaction = MessageLayout.transactionId(request);
    byte[] payload = Arrays.copyOfRange(request, MessageLayout.HEADER_BYTES, request.length);
    Reply reply = requests.answer(connection, type, transaction, payload);
    send(
        MessageLayout.message(
            reply.type(), MessageLayout.requestId(request), transaction, reply.payload()));
    eventLast = false;
    return true;
  }

  private void send(byte[] message) {
    outgoing = message;
    sent = 0;
  }

  /** Takes what there is of the next request; says whether it is complete. */
  private boolean receive() throws BadRingException {
    if (!fill()) {
      return false;
    }
    if (incoming == header) {
      int length = MessageLayout.length(header);
      if (length < 0 || length > MessageLayout.PAYLOAD_MAX) {
        throw new BadRingException(
            XenstoreRingLayout.ERROR_PROTOCOL,
            "a request is longer than %d bytes: length=%d"
                .formatted(MessageLayout.PAYLOAD_MAX, length & 0xFFFF_FFFFL));
      }
      incoming = Arrays.copyOf(header, MessageLayout.HEADER_BYTES + length);
      return fill();
    }
    return true;
  }

  private boolean fill() throws BadRingException {
    if (received < incoming.length) {
      int count = ring.read(incoming, received, incoming.length - received);
      received += count;
      moved |= count > 0;
    }
    return received == incoming.length;
  }

  private void shut(BadRingException bad) {
    LOG.log(Level.WARNING, "xenstore ring of domain " + domid + " is shut: " + bad.getMessage());
    try {
      ring.report(bad.error());
      port.get().send();
    } catch (WindowRevokedException gone) {
      // It has gone meanwhile: nobody is left to be told.
    }
    close();
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      store.close(connection);
      port.ifPresent(EventPort::close);
      mapping.close();
    }
  }
}

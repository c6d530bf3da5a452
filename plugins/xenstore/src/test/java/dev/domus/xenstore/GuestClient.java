package dev.domus.xenstore;

import dev.domus.memory.Window;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The guest's end of a xenstore ring, written from the ABI alone (xen-pv-abi.md, 15.1 and 15.2),
 * not from the server: it copies byte by byte, and waits by its event.
 */
public final class GuestClient {
  private static final int REQ_PROD = 2052,
      REQ_CONS = 2048,
      RSP_CONS = 2056,
      RSP_PROD = 2060,
      RSP = 1024;
  private static final long PATIENCE_SECONDS = 20;
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  private final FakeHypervisor.Guest guest;
  private final Window page;
  private final boolean polls;
  private final List<String> events = new ArrayList<>();
  private int nextRequest = 100;

  /** A message from the store. */
  public record Message(int type, int requestId, int transaction, byte[] payload) {
    /** The payload as text. */
    public String text() {
      return new String(payload, StandardCharsets.ISO_8859_1);
    }
  }

  /** Talks for a guest, which waits for events and would wait for ever without one. */
  public GuestClient(FakeHypervisor.Guest guest) {
    this(guest, false);
  }

  /**
   * Talks for a guest.
   *
   * @param polls whether it looks again now and then without an event, as two that share a port
   *     have to
   */
  public GuestClient(FakeHypervisor.Guest guest, boolean polls) {
    this.guest = guest;
    this.polls = polls;
    page = guest.page();
  }

  /**
   * Asks and awaits the reply; events that come before it are kept. An error comes back as {@code
   * "!ENOENT"}.
   */
  public String ask(int type, int transaction, String payload) {
    int id = nextRequest++;
    send(type, id, transaction, payload.getBytes(StandardCharsets.ISO_8859_1));
    Message reply = reply();
    if (reply.requestId() != id || reply.transaction() != transaction) {
      throw new AssertionError("not the reply to this request: " + reply);
    }
    if (reply.type() == 16) {
      return "!" + reply.text().replace("\0", "");
    }
    if (reply.type() != type) {
      throw new AssertionError("a reply of another type: " + reply);
    }
    return reply.text();
  }

  /** Asks outside transactions. */
  public String ask(int type, String payload) {
    return ask(type, 0, payload);
  }

  /** Sends one request. */
  public void send(int type, int id, int transaction, byte[] payload) {
    ByteArrayOutputStream message = new ByteArrayOutputStream();
    for (int field : new int[] {type, id, transaction, payload.length}) {
      for (int shift = 0; shift < 32; shift += 8) {
        message.write(field >>> shift);
      }
    }
    message.writeBytes(payload);
    raw(message.toByteArray());
  }

  /** Puts bytes into the request ring, waiting for room. */
  public void raw(byte[] bytes) {
    for (byte b : bytes) {
      await(() -> page.getInt(REQ_PROD) - page.getIntAcquire(REQ_CONS) < 1024);
      int prod = page.getInt(REQ_PROD);
      page.putByte(prod & 1023, b);
      page.putIntRelease(REQ_PROD, prod + 1);
    }
    guest.send();
  }

  /** The next reply; events before it are kept. */
  public Message reply() {
    while (true) {
      Message message = message();
      if (message.type() != 15) {
        return message;
      }
      keep(message);
    }
  }

  /** The next event as {@code path:token}. */
  public String event() {
    if (events.isEmpty()) {
      Message message = message();
      if (message.type() != 15 || message.requestId() != 0) {
        throw new AssertionError("not an event: " + message);
      }
      keep(message);
    }
    return events.removeFirst();
  }

  /** Events that have been seen and not been asked for. */
  public List<String> kept() {
    return events;
  }

  private void keep(Message message) {
    String[] parts = message.text().split("\0");
    events.add(parts[0] + ":" + parts[1]);
  }

  /** The next message, whatever it is. */
  public Message message() {
    byte[] header = take(16);
    int[] fields = new int[4];
    for (int i = 0; i < 16; i++) {
      fields[i / 4] |= (header[i] & 0xFF) << (i % 4 * 8);
    }
    return new Message(fields[0], fields[1], fields[2], take(fields[3]));
  }

  private byte[] take(int count) {
    byte[] bytes = new byte[count];
    for (int i = 0; i < count; i++) {
      await(() -> page.getIntAcquire(RSP_PROD) != page.getInt(RSP_CONS));
      int cons = page.getInt(RSP_CONS);
      bytes[i] = page.getByte(RSP + (cons & 1023));
      page.putIntRelease(RSP_CONS, cons + 1);
    }
    return bytes;
  }

  /** Waits for a condition that the store brings about and tells of by an event. */
  public void await(java.util.function.BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!condition.getAsBoolean()) {
      guest.send(); // the guest has consumed or produced; a ring that is full of replies goes on by
      // this
      try {
        long left = deadline - System.nanoTime();
        boolean told =
            guest
                .events()
                .tryAcquire(polls ? Math.min(left, POLL_NANOS) : left, TimeUnit.NANOSECONDS);
        if (!told && (left < POLL_NANOS || !polls)) {
          throw new AssertionError("the store did nothing", new TimeoutException());
        }
        guest.events().drainPermits();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  /** The error field of the page. */
  public int error() {
    return page.getIntAcquire(2072);
  }

  /** A payload of strings. */
  public static String strings(String... strings) {
    return String.join("\0", Arrays.asList(strings)) + "\0";
  }
}

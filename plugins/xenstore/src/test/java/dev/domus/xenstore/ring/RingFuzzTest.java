package dev.domus.xenstore.ring;

import static dev.domus.xenstore.GuestClient.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.memory.Window;
import dev.domus.xenstore.FakeHypervisor;
import dev.domus.xenstore.GuestClient;
import dev.domus.xenstore.XenstoreService;
import dev.domus.xenstore.wire.MessageType;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Whatever a guest puts into its ring, the store answers it or shuts the ring, and serves everybody
 * else. Seeds are fixed; what varies from run to run is only how the guest's stores and the
 * server's turns fall together.
 */
@Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RingFuzzTest {
  private static final int REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060;
  private static final List<String> PATHS =
      List.of(
          "data",
          "data/a",
          "data/a/b",
          "data/c",
          "/",
          "/local",
          "/local/domain/5/data/a",
          "/tool",
          "@releaseDomain",
          "",
          "//",
          "data/",
          "/local/domain/0",
          "device",
          "data/" + "x/".repeat(900) + "x");

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private StoreConnection toolstack;
  private GuestClient honest;

  @BeforeEach
  void start() {
    service.start(hypervisor);
    toolstack = service.connect(0);
    honest = new GuestClient(introduce(4));
  }

  @AfterEach
  void stop() {
    service.stop();
    assertEquals(0, hypervisor.mapped());
    hypervisor.close();
  }

  private FakeHypervisor.Guest introduce(int domid) {
    FakeHypervisor.Guest guest = hypervisor.guest(domid);
    home(domid);
    toolstack.introduce(domid, 0, 1);
    return guest;
  }

  private void home(int domid) {
    String data = "/local/domain/" + domid + "/data";
    toolstack.mkdir(0, data);
    toolstack.setPermissions(0, data, List.of("n" + domid));
  }

  /** The server lives: it answers the honest guest. */
  private void othersAreServed() {
    assertEquals("", honest.ask(MessageType.READ, strings("data")));
  }

  @Test
  void garbageIsAnsweredOrTheRingIsShut() {
    for (int seed = 0; seed < 60; seed++) {
      Random random = new Random(seed);
      FakeHypervisor.Guest guest = introduce(5);
      GuestClient client = new GuestClient(guest, true);
      int bytes = 0;
      int answered = 0;
      while (bytes < 20_000 && client.error() == 0) {
        byte[] garbage = new byte[1 + random.nextInt(600)];
        random.nextBytes(garbage);
        mask(random, garbage);
        bytes += offer(guest.page(), garbage);
        guest.send();
        answered += swallow(guest.page());
        othersAreServed();
      }
      assertTrue(client.error() != 0 || answered > 0, "seed=" + seed);
      toolstack.release(5);
    }
  }

  /** Garbage with headers that often look good: many zeros, small types. */
  private static void mask(Random random, byte[] garbage) {
    int shape = random.nextInt(4);
    for (int i = 0; i < garbage.length && shape > 0; i++) {
      if (shape == 1 || i % 4 != 0) {
        garbage[i] = 0;
      } else {
        garbage[i] &= 31;
      }
    }
  }

  /** Puts as much as there is room for; it never waits. */
  private static int offer(Window page, byte[] bytes) {
    int prod = page.getInt(REQ_PROD);
    int room = 1024 - (prod - page.getIntAcquire(REQ_CONS));
    int count = Math.min(room, bytes.length);
    for (int i = 0; i < count; i++) {
      page.putByte(prod + i & 1023, bytes[i]);
    }
    page.putIntRelease(REQ_PROD, prod + count);
    return count;
  }

  /** Takes all that has been answered. */
  private static int swallow(Window page) {
    int prod = page.getIntAcquire(RSP_PROD);
    int count = prod - page.getInt(RSP_CONS);
    page.putIntRelease(RSP_CONS, prod);
    return count;
  }

  @Test
  void everyWellFormedMessageHasItsReply() {
    GuestClient client = new GuestClient(introduce(5));
    Random random = new Random(11);
    int transaction = 0;
    for (int i = 0; i < 20_000; i++) {
      if (i % 50 == 0) {
        home(5); // it may have removed what it owns
      }
      int type = random.nextInt(25);
      int within =
          random.nextInt(3) == 0 ? transaction : random.nextInt(20) == 0 ? random.nextInt() : 0;
      String reply = client.ask(type, within, payload(random));
      assertNotEquals("!EIO", reply, "type=" + type);
      if (type == MessageType.TRANSACTION_START && !reply.startsWith("!")) {
        transaction = Integer.parseInt(reply.substring(0, reply.length() - 1));
      }
    }
    othersAreServed();
    toolstack.release(5);
    assertTrue(toolstack.directory(0, "/local/domain/5").isEmpty());
  }

  private static String payload(Random random) {
    String path = PATHS.get(random.nextInt(PATHS.size()));
    return switch (random.nextInt(8)) {
      case 0 -> path;
      case 1 -> strings(path, "token" + random.nextInt(3));
      case 2 -> strings(path, "n5", "r4", "b0");
      case 3 -> strings(random.nextBoolean() ? "T" : "F");
      case 4 -> strings(path, Integer.toString(random.nextInt()));
      case 5 -> path + "\0" + "v".repeat(random.nextInt(2100));
      case 6 -> noise(random);
      default -> strings(path);
    };
  }

  private static String noise(Random random) {
    byte[] bytes = new byte[random.nextInt(64)];
    random.nextBytes(bytes);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  /** A guest with two vCPUs: one talks sense, the other scribbles over the page meanwhile. */
  @Test
  void aPageThatChangesUnderTheServersHandsHarmsNobody() throws Exception {
    for (int seed = 0; seed < 20; seed++) {
      FakeHypervisor.Guest guest = introduce(5);
      Window page = guest.page();
      AtomicBoolean done = new AtomicBoolean();
      Random random = new Random(seed);
      CompletableFuture<Void> scribbler =
          CompletableFuture.runAsync(() -> {
            while (!done.get()) {
              page.putByte(random.nextInt(4096), (byte) random.nextInt());
              if (random.nextInt(64) == 0) {
                page.putIntRelease(REQ_PROD, page.getIntAcquire(REQ_CONS) + random.nextInt(1025));
                page.putIntRelease(RSP_CONS, page.getIntAcquire(RSP_PROD));
              }
              guest.send();
            }
          });
      for (int i = 0; i < 200; i++) {
        othersAreServed();
        toolstack.write(0, "/local/domain/5/data/x", Integer.toString(i));
      }
      done.set(true);
      scribbler.get(20, TimeUnit.SECONDS);
      toolstack.release(5);
      othersAreServed();
    }
  }
}

package dev.domus.xenstore.ring;

import static dev.domus.xenstore.GuestClient.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.xenstore.FakeHypervisor;
import dev.domus.xenstore.GuestClient;
import dev.domus.xenstore.XenstoreService;
import dev.domus.xenstore.wire.MessageType;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The ring as such: wraps, pieces, guests that do not read, and guests that lie (xen-pv-abi.md,
 * 15.1).
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RingTest {
  private static final int REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060;
  private static final int ERROR_INDICES = 2, ERROR_PROTOCOL = 3;

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private StoreConnection toolstack;

  @BeforeEach
  void start() {
    service.start(hypervisor);
    toolstack = service.connect(0);
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

  @Test
  void indicesRunThroughTheirWholeRange() {
    FakeHypervisor.Guest guest = hypervisor.guest(5);
    home(5);
    for (int index : new int[] {REQ_CONS, REQ_PROD}) {
      guest.page().putInt(index, -700);
    }
    for (int index : new int[] {RSP_CONS, RSP_PROD}) {
      guest.page().putInt(index, Integer.MAX_VALUE - 50);
    }
    toolstack.introduce(5, 0, 1);
    GuestClient client = new GuestClient(guest);
    Random random = new Random(3);
    for (int i = 0; i < 500; i++) {
      String value = "x".repeat(random.nextInt(2000));
      assertEquals("OK\0", client.ask(MessageType.WRITE, "data/v\0" + value));
      assertEquals(value, client.ask(MessageType.READ, strings("data/v")));
    }
  }

  @Test
  void requestsMayComeByteByByteAndManyAtOnce() {
    GuestClient client = new GuestClient(introduce(5));
    byte[] request = {2, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 'd', 'a', 't', 'a', 0};
    for (byte b : request) {
      client.raw(new byte[] {b});
    }
    assertEquals(42, client.message().requestId());
    byte[] many = new byte[request.length * 40];
    for (int i = 0; i < 40; i++) {
      System.arraycopy(request, 0, many, i * request.length, request.length);
      many[i * request.length + 4] = (byte) i;
    }
    client.raw(many);
    for (int i = 0; i < 40; i++) {
      assertEquals(i, client.message().requestId());
    }
  }

  @Test
  void requestsThatWaitedBeforeTheIntroductionAreAnswered() {
    FakeHypervisor.Guest guest = hypervisor.guest(5);
    home(5);
    GuestClient client = new GuestClient(guest);
    client.send(MessageType.READ, 9, 0, strings("data").getBytes());
    toolstack.introduce(5, 0, 1);
    assertEquals(9, client.message().requestId());
  }

  @Test
  void aGuestThatDoesNotReadDelaysItselfOnly() throws Exception {
    GuestClient deaf = new GuestClient(introduce(5), true);
    GuestClient lively = new GuestClient(introduce(6));
    deaf.send(MessageType.WATCH, 0, 0, strings("data", "w").getBytes());
    int requests = 3000;
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(() -> {
          for (int i = 1; i <= requests; i++) {
            deaf.send(MessageType.READ, i, 0, strings("data").getBytes());
          }
        });
    for (int i = 0; i < 2000; i++) {
      toolstack.write(0, "/local/domain/5/data/" + i, "an event for the deaf one");
      assertEquals("", lively.ask(MessageType.READ, strings("data")));
    }
    for (int i = 0; i <= requests; i++) {
      assertEquals(i, deaf.reply().requestId(), "in order, and none is lost");
    }
    writer.get(20, TimeUnit.SECONDS);
    toolstack.write(0, "/local/domain/5/data/last", "");
    while (!deaf.event().equals("data/last:w")) {
      assertTrue(deaf.kept().size() < 3000);
    }
  }

  @Test
  void aGuestThatLiesAboutAnIndexLosesItsRingAndOthersDoNot() {
    GuestClient honest = new GuestClient(introduce(4));
    int domid = 5;
    for (int index : new int[] {REQ_PROD, RSP_CONS}) {
      for (int lie : new int[] {1025, -1, Integer.MIN_VALUE, 100_000}) {
        FakeHypervisor.Guest guest = introduce(domid++);
        GuestClient liar = new GuestClient(guest);
        assertEquals("OK\0", liar.ask(MessageType.WATCH, strings("data", "t")));
        liar.event();
        int base = guest.page().getInt(index == REQ_PROD ? REQ_CONS : RSP_PROD);
        guest.page().putIntRelease(index, index == REQ_PROD ? base + lie : base - lie);
        toolstack.write(0, "/local/domain/" + guest.domid() + "/data", "something to tell");
        liar.await(() -> liar.error() != 0);
        assertEquals(ERROR_INDICES, liar.error());
        assertEquals("", honest.ask(MessageType.READ, strings("data")));
        assertEquals(1, hypervisor.mapped(), "the liar's page has been given back");
      }
    }
  }

  @Test
  void whatTheGuestWritesOverTheStoresIndicesDoesNotMatter() {
    FakeHypervisor.Guest guest = introduce(5);
    GuestClient client = new GuestClient(guest);
    assertEquals("", client.ask(MessageType.READ, strings("data")));
    int cons = guest.page().getInt(RSP_CONS);
    guest.page().putInt(REQ_CONS, 12345);
    guest.page().putInt(RSP_PROD, 54321);
    byte[] request = {2, 0, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 'd', 'a', 't', 'a', 0};
    int prod = guest.page().getInt(REQ_PROD);
    for (byte b : request) {
      guest.page().putByte(prod++ & 1023, b);
    }
    guest.page().putIntRelease(REQ_PROD, prod);
    int end = prod;
    client.await(() -> guest.page().getIntAcquire(REQ_CONS) == end);
    client.await(() -> guest.page().getIntAcquire(RSP_PROD) == cons + 16);
    assertEquals(42, client.message().requestId());
  }

  @Test
  void aRequestThatIsTooLongShutsTheRing() {
    for (int[] length : new int[][] {{1, 0x10, 0, 0}, {0, 0, 0, 0x80}, {-1, -1, -1, -1}}) {
      int domid = 5 + (length[0] & 3);
      GuestClient client = new GuestClient(introduce(domid));
      byte[] header = new byte[16];
      header[0] = 2;
      for (int i = 0; i < 4; i++) {
        header[12 + i] = (byte) length[i];
      }
      client.raw(header);
      client.await(() -> client.error() == ERROR_PROTOCOL);
      toolstack.release(domid);
    }
  }

  @Test
  void aShutRingIsOpenedAgainByAnotherIntroduction() {
    FakeHypervisor.Guest guest = introduce(5);
    GuestClient client = new GuestClient(guest);
    guest.page().putIntRelease(REQ_PROD, 5000);
    guest.send();
    client.await(() -> client.error() == ERROR_INDICES);
    for (int index : new int[] {REQ_CONS, REQ_PROD, RSP_CONS, RSP_PROD}) {
      guest.page().putInt(index, 0);
    }
    toolstack.introduce(5, 0, 1);
    assertEquals("", client.ask(MessageType.READ, strings("data")));
    assertEquals(0, client.error());
  }

  @Test
  void introductionsFailCleanly() {
    assertEquals(
        "ENOENT", assertThrows(StoreException.class, () -> toolstack.introduce(9, 0, 1)).error());
    hypervisor.guest(9);
    assertEquals(
        "EINVAL", assertThrows(StoreException.class, () -> toolstack.introduce(9, 0, 2)).error());
    assertEquals(0, hypervisor.mapped());
    toolstack.introduce(9, 0, 1);
    toolstack.release(9);
    toolstack.release(9);
    assertEquals(0, hypervisor.mapped());
  }

  @Test
  void domainsThatEndAreAnnouncedAndReleased() throws Exception {
    BlockingQueue<String> events = new LinkedBlockingQueue<>();
    toolstack.watch("@releaseDomain", "r", (path, token) -> events.add(path));
    assertEquals("@releaseDomain", events.poll(20, TimeUnit.SECONDS));
    FakeHypervisor.Guest guest = introduce(5);
    GuestClient client = new GuestClient(guest);
    guest.state(DomainInfo.State.SHUTDOWN);
    assertEquals("@releaseDomain", events.poll(20, TimeUnit.SECONDS));
    assertEquals("", client.ask(MessageType.READ, strings("data")), "its memory is still there");
    guest.destroy();
    assertEquals("@releaseDomain", events.poll(20, TimeUnit.SECONDS));
    assertEquals(0, hypervisor.mapped());
    assertTrue(
        toolstack.read(0, "/local/domain/5/data").isEmpty(), "what it owned has gone with it");
    toolstack.release(5);
  }
}

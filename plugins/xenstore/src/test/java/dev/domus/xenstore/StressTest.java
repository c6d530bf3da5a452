package dev.domus.xenstore;

import static dev.domus.xenstore.GuestClient.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.xenstore.wire.MessageType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Guests and service domains at the same time. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class StressTest {
  private static final int ROUNDS = 300;

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private StoreConnection toolstack;

  @BeforeEach
  void start() {
    service.start(hypervisor);
    toolstack = service.connect(0);
  }

  @AfterEach
  void stop() {
    threads.shutdownNow();
    service.stop();
    hypervisor.close();
  }

  private GuestClient introduce(int domid) {
    FakeHypervisor.Guest guest = hypervisor.guest(domid);
    toolstack.introduce(domid, 0, 1);
    return new GuestClient(guest);
  }

  @Test
  void countersUnderTransactionsLoseNoStep() throws Exception {
    toolstack.write(0, "/counter", "0");
    toolstack.setPermissions(0, "/counter", List.of("b0"));
    List<Future<?>> workers = new ArrayList<>();
    for (int domid = 1; domid <= 2; domid++) {
      GuestClient guest = introduce(domid);
      workers.add(threads.submit(() -> countByRing(guest)));
    }
    for (int i = 0; i < 2; i++) {
      StoreConnection connection = service.connect(0);
      workers.add(threads.submit(() -> count(connection)));
    }
    for (Future<?> worker : workers) {
      worker.get(60, TimeUnit.SECONDS);
    }
    assertEquals(Integer.toString(4 * ROUNDS), toolstack.read(0, "/counter").orElseThrow());
  }

  private static void count(StoreConnection connection) {
    for (int i = 0; i < ROUNDS; i++) {
      int transaction;
      do {
        transaction = connection.begin();
        int value = Integer.parseInt(connection.read(transaction, "/counter").orElseThrow());
        connection.write(transaction, "/counter", Integer.toString(value + 1));
      } while (!connection.end(transaction, true));
    }
  }

  private static void countByRing(GuestClient guest) {
    for (int i = 0; i < ROUNDS; i++) {
      String end;
      do {
        int transaction =
            Integer.parseInt(guest.ask(MessageType.TRANSACTION_START, "\0").replace("\0", ""));
        int value = Integer.parseInt(guest.ask(MessageType.READ, transaction, strings("/counter")));
        guest.ask(MessageType.WRITE, transaction, "/counter\0" + (value + 1));
        end = guest.ask(MessageType.TRANSACTION_END, transaction, strings("T"));
      } while (end.equals("!EAGAIN"));
      assertEquals("OK\0", end);
    }
  }

  /** What a watcher reads after the last event is the last value: no change goes untold. */
  @Test
  void whoeverIsToldOfAChangeFindsIt() throws Exception {
    int writers = 3;
    Map<String, String> seen = new ConcurrentHashMap<>();
    CountDownLatch all = new CountDownLatch(writers);
    StoreConnection reader = service.connect(0);
    toolstack.watch(
        "/watched",
        "t",
        (path, token) -> {
          String value = reader.read(0, path).orElse("");
          if (!value.equals(seen.put(path, value)) && value.equals(Integer.toString(ROUNDS))) {
            all.countDown();
          }
        });
    List<Future<?>> workers = new ArrayList<>();
    for (int domid = 1; domid <= writers; domid++) {
      String path = "/watched/" + domid;
      toolstack.mkdir(0, path);
      toolstack.setPermissions(0, path, List.of("n" + domid));
      GuestClient guest = introduce(domid);
      workers.add(
          threads.submit(() -> {
            for (int i = 1; i <= ROUNDS; i++) {
              assertEquals("OK\0", guest.ask(MessageType.WRITE, path + "\0" + i));
            }
          }));
    }
    for (Future<?> worker : workers) {
      worker.get(60, TimeUnit.SECONDS);
    }
    all.await();
  }

  /** Domains come and go while others talk. */
  @Test
  void introductionsAndReleasesDisturbNobody() throws Exception {
    GuestClient steady = introduce(1);
    toolstack.write(0, "/steady", "yes");
    toolstack.setPermissions(0, "/steady", List.of("n0", "r1"));
    Future<?> comings =
        threads.submit(() -> {
          for (int i = 0; i < 200; i++) {
            FakeHypervisor.Guest guest = hypervisor.guest(2);
            toolstack.introduce(2, 0, 1);
            guest
                .page()
                .putIntRelease(
                    2052, i % 3 * 700); // nothing, a zero request after another, or a lie
            guest.send();
            if (i % 2 == 0) {
              guest.destroy();
            }
            toolstack.release(2);
          }
        });
    for (int i = 0; i < 1000; i++) {
      assertEquals("yes", steady.ask(MessageType.READ, strings("/steady")));
    }
    comings.get(60, TimeUnit.SECONDS);
    toolstack.release(1);
    assertEquals(0, hypervisor.mapped());
  }
}

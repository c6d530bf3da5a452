package dev.domus.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.StoreService;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LocalConnectionTest {
  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private final BlockingQueue<String> events = new LinkedBlockingQueue<>();
  private StoreConnection connection;

  @BeforeEach
  void start() {
    service.start(hypervisor);
    connection = hypervisor.find(StoreService.class).orElseThrow().connect(0);
  }

  @AfterEach
  void stop() {
    connection.close();
    service.stop();
    assertTrue(hypervisor.find(StoreService.class).isEmpty(), "withdrawn");
    hypervisor.close();
  }

  private String event() throws InterruptedException {
    return events.poll(20, TimeUnit.SECONDS);
  }

  @Test
  void whatIsNotThereIsAnAnswer() {
    assertEquals(Optional.empty(), connection.read(0, "/nowhere"));
    assertEquals(List.of(), connection.directory(0, "/nowhere"));
    assertThrows(StoreException.class, () -> connection.read(99, "/tool"));
    assertThrows(StoreException.class, () -> connection.read(0, "not//well/formed"));
    connection.write(0, "/a", "\u00e9\u0000\u00ff");
    assertEquals(Optional.of("\u00e9\u0000\u00ff"), connection.read(0, "/a"));
    assertThrows(StoreException.class, () -> connection.write(0, "/a", "x".repeat(4096)));
  }

  @Test
  void aConflictIsAnAnswerToo() {
    connection.write(0, "/a", "1");
    int transaction = connection.begin();
    connection.read(transaction, "/a");
    connection.write(0, "/a", "2");
    assertFalse(connection.end(transaction, true));
    int again = connection.begin();
    connection.write(again, "/a", "3");
    assertTrue(connection.end(again, true));
    assertEquals(Optional.of("3"), connection.read(0, "/a"));
  }

  @Test
  void aConnectionHasItsDomainsRights() {
    StoreConnection backend = service.connect(7);
    assertThrows(StoreException.class, () -> backend.write(0, "/a", "x"));
    assertThrows(StoreException.class, () -> backend.introduce(8, 0, 1));
    connection.mkdir(0, "/local/domain/7/backend");
    connection.setPermissions(0, "/local/domain/7/backend", List.of("n7"));
    backend.write(0, "backend/vbd", "mine");
    assertEquals(Optional.of("mine"), connection.read(0, "/local/domain/7/backend/vbd"));
    backend.close();
  }

  @Test
  void watchesCallBackAtOnceAndOneByOne() throws Exception {
    connection.watch("/a", "t", (path, token) -> events.add(path + ":" + token));
    assertEquals("/a:t", event());
    connection.write(0, "/a/b", "");
    assertEquals("/a/b:t", event());
    connection.unwatch("/a", "t");
    connection.write(0, "/a/c", "");
    connection.watch("/z", "end", (path, token) -> events.add(path));
    assertEquals("/z", event());
    assertThrows(StoreException.class, () -> connection.unwatch("/a", "t"));
  }

  @Test
  void aCallbackMayUseTheStoreAndItsFailureIsItsOwn() throws Exception {
    connection.watch(
        "/a",
        "t",
        (path, token) -> {
          events.add(connection.read(0, "/a").orElse("absent"));
          throw new IllegalArgumentException("a failure, for the test");
        });
    assertEquals("absent", event());
    connection.write(0, "/a", "present");
    assertEquals("present", event());
  }

  @Test
  void aCallbackThatDawdlesDelaysNobodyElse() throws Exception {
    CountDownLatch entered = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    connection.watch(
        "/a",
        "slow",
        (path, token) -> {
          entered.countDown();
          try {
            go.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    entered.await();
    StoreConnection other = service.connect(0);
    other.watch("/a", "fast", (path, token) -> events.add(path));
    assertEquals("/a", event());
    other.write(0, "/a/b", "");
    assertEquals("/a/b", event());
    go.countDown();
    other.close();
  }

  @Test
  void aClosedConnectionWatchesNothing() {
    connection.close();
    connection.close();
    assertThrows(
        StoreException.class, () -> connection.watch("/a", "t", (path, token) -> events.add(path)));
  }

  @Test
  void stoppingEndsConnectionsAndTheirThreads() throws Exception {
    BlockingQueue<Thread> thread = new LinkedBlockingQueue<>();
    connection.watch("/a", "t", (path, token) -> thread.add(Thread.currentThread()));
    Thread caller = thread.poll(20, TimeUnit.SECONDS);
    service.stop();
    caller.join(20_000);
    assertFalse(caller.isAlive());
    assertThrows(IllegalStateException.class, () -> service.connect(0));
    service.start(hypervisor);
    assertEquals(Optional.empty(), service.connect(0).read(0, "/a"));
  }
}

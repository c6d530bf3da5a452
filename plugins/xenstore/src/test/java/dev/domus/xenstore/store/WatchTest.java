package dev.domus.xenstore.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.StoreException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class WatchTest {
  private final Store store = new Store();
  private final Connection dom0 = store.open(0, () -> {});
  private final Connection guest = store.open(5, () -> {});

  @BeforeEach
  void home() {
    write("/local/domain/5/data", "");
    store.setPermissions(dom0, 0, "/local/domain/5/data", List.of("n5"));
  }

  private void write(String path, String value) {
    store.write(dom0, 0, path, value.getBytes(StandardCharsets.ISO_8859_1));
  }

  private void watch(Connection connection, String path, String token) {
    store.watch(connection, path, token, OptionalInt.empty());
  }

  private List<String> events(Connection connection) {
    List<String> events = new ArrayList<>();
    for (Optional<WatchEvent> event = store.takeEvent(connection);
        event.isPresent();
        event = store.takeEvent(connection)) {
      events.add(event.get().path() + ":" + event.get().watch().token());
    }
    return events;
  }

  private static void fails(String error, Executable operation) {
    assertEquals(error, assertThrows(StoreException.class, operation).error());
  }

  @Test
  void itFiresAtOnceAndForEverythingAtOrBelow() {
    watch(dom0, "/a/b", "t");
    assertEquals(List.of("/a/b:t"), events(dom0), "at once, although the node does not exist");
    write("/a/b", "1");
    write("/a/b/c/d", "2");
    write("/a/bc", "3");
    write("/a", "4");
    store.mkdir(dom0, 0, "/a/b/e");
    store.mkdir(dom0, 0, "/a/b/e");
    store.setPermissions(dom0, 0, "/a/b/e", List.of("n5"));
    assertEquals(List.of("/a/b:t", "/a/b/c/d:t", "/a/b/e:t"), events(dom0));
    store.remove(dom0, 0, "/a/b/c");
    assertEquals(List.of("/a/b/c:t"), events(dom0));
  }

  @Test
  void theRootWatchesEverything() {
    watch(dom0, "/", "all");
    assertEquals(List.of("/:all"), events(dom0));
    write("/x/y", "");
    assertEquals(List.of("/x/y:all"), events(dom0));
  }

  @Test
  void theRemovalOfAParentFiresForWhatWentWithIt() {
    write("/a/b/c", "");
    watch(dom0, "/a/b/c", "deep");
    watch(dom0, "/a/b/never", "absent");
    watch(dom0, "/ab", "sibling");
    watch(dom0, "/a", "top");
    events(dom0);
    store.remove(dom0, 0, "/a");
    assertEquals(Set.of("/a/b/c:deep", "/a:top"), new HashSet<>(events(dom0)));
  }

  @Test
  void relativeWatchesReportRelativePathsAndAbsoluteOnesAbsolute() {
    watch(guest, "data", "r");
    watch(guest, "/local/domain/5/data", "a");
    assertEquals(List.of("data:r", "/local/domain/5/data:a"), events(guest));
    write("/local/domain/5/data/x", "");
    assertEquals(Set.of("data/x:r", "/local/domain/5/data/x:a"), new HashSet<>(events(guest)));
  }

  @Test
  void watchesFireWhenATransactionCommits() {
    watch(dom0, "/a", "t");
    events(dom0);
    int transaction = store.begin(dom0);
    store.write(dom0, transaction, "/a/1", new byte[0]);
    store.write(dom0, transaction, "/a/2", new byte[0]);
    assertEquals(List.of(), events(dom0));
    store.end(dom0, transaction, true);
    assertEquals(List.of("/a/1:t", "/a/2:t"), events(dom0));
    int dropped = store.begin(dom0);
    store.write(dom0, dropped, "/a/3", new byte[0]);
    store.end(dom0, dropped, false);
    assertEquals(List.of(), events(dom0));
  }

  @Test
  void aWatcherHearsOnlyOfWhatItMayRead() {
    watch(guest, "/", "curious");
    events(guest);
    write("/secret", "");
    write("/secret/more", "");
    store.remove(dom0, 0, "/secret");
    assertEquals(List.of(), events(guest));
    write("/open", "");
    store.setPermissions(dom0, 0, "/open", List.of("n0", "r5"));
    assertEquals(List.of("/open:curious"), events(guest));
    write("/open", "again");
    store.remove(dom0, 0, "/open");
    assertEquals(
        List.of("/open:curious"),
        events(guest),
        "two changes of one node that nobody looked at are one event");
  }

  @Test
  void aWatcherHearsThatANodeIsHiddenFromIt() {
    write("/n", "");
    store.setPermissions(dom0, 0, "/n", List.of("n0", "r5"));
    watch(guest, "/n", "t");
    events(guest);
    store.setPermissions(dom0, 0, "/n", List.of("n0"));
    assertEquals(List.of("/n:t"), events(guest));
  }

  @Test
  void watchesAreByPathAndToken() {
    watch(guest, "data", "1");
    fails("EEXIST", () -> watch(guest, "data", "1"));
    fails("EEXIST", () -> watch(guest, "/local/domain/5/data", "1"));
    watch(guest, "data", "2");
    fails("ENOENT", () -> store.unwatch(guest, "data", "3"));
    fails("ENOENT", () -> store.unwatch(dom0, "/local/domain/5/data", "1"));
    write("/local/domain/5/data", "x");
    store.unwatch(guest, "data", "1");
    assertEquals(List.of("data:2"), events(guest), "what waited of the ended watch is dropped");
  }

  @Test
  void resettingEndsWatchesAndTransactions() {
    watch(guest, "data", "1");
    int transaction = store.begin(guest);
    store.resetWatches(guest);
    write("/local/domain/5/data", "x");
    assertEquals(List.of(), events(guest));
    fails("ENOENT", () -> store.end(guest, transaction, true));
    watch(guest, "data", "1");
  }

  @Test
  void depthLimitsHowFarDownAWatchReaches() {
    store.watch(dom0, "/a", "0", OptionalInt.of(0));
    store.watch(dom0, "/a", "1", OptionalInt.of(1));
    events(dom0);
    write("/a", "");
    write("/a/b", "");
    write("/a/b/c", "");
    assertEquals(Set.of("/a:0", "/a:1", "/a/b:1"), new HashSet<>(events(dom0)));
  }

  @Test
  void quotasBoundWatchesAndTokens() {
    for (int i = 0; i < Quota.WATCHES; i++) {
      watch(guest, "data", "t" + i);
    }
    fails("E2BIG", () -> watch(guest, "data", "one more"));
    fails("E2BIG", () -> watch(dom0, "/a", "t".repeat(Quota.TOKEN_BYTES + 1)));
    fails("EINVAL", () -> watch(dom0, "/a/", "t"));
  }

  @Test
  void aClientThatDoesNotListenIsOwedABoundedNumberOfEvents() {
    watch(dom0, "/many", "a");
    watch(dom0, "/", "b");
    for (int i = 0; i < 100_000; i++) {
      write("/many/" + i % 20_000, "");
    }
    List<String> events = events(dom0);
    int bytes = events.stream().mapToInt(String::length).sum();
    assertTrue(bytes < Quota.QUEUED_EVENT_BYTES + 100, "bytes=" + bytes);
    assertTrue(events.contains("/many:a"), "it is told to look at everything");
    assertTrue(events.contains("/:b"));
    write("/many/1", "");
    assertEquals(Set.of("/many/1:a", "/many/1:b"), new HashSet<>(events(dom0)));
  }

  @Test
  void specialEventsAreForThePrivilegedUnlessTheyShareThem() {
    store.serveRings((domid, port) -> ring(domid));
    watch(dom0, "@introduceDomain", "i");
    watch(dom0, "@releaseDomain", "r");
    store.watch(dom0, "@releaseDomain", "d", OptionalInt.of(1));
    watch(guest, "@releaseDomain", "g");
    events(dom0);
    assertEquals(List.of("@releaseDomain:g"), events(guest));
    store.introduce(dom0, 9, 1);
    assertEquals(List.of("@introduceDomain:i"), events(dom0));
    store.introduce(dom0, 9, 1);
    assertEquals(List.of(), events(dom0), "it was known already");
    store.hasShutDown(store.introduced().getFirst());
    store.hasShutDown(store.introduced().getFirst());
    assertEquals(List.of("@releaseDomain:r", "@releaseDomain/9:d"), events(dom0));
    assertEquals(List.of(), events(guest));
    fails("EACCES", () -> store.setPermissions(guest, 0, "@releaseDomain", List.of("r0")));
    store.setPermissions(dom0, 0, "@releaseDomain", List.of("n0", "r5"));
    store.release(dom0, 9);
    assertEquals(List.of("@releaseDomain:r", "@releaseDomain/9:d"), events(dom0));
    assertEquals(List.of("@releaseDomain:g"), events(guest));
  }

  private GuestRings.Ring ring(int domid) {
    Connection connection = store.open(domid, () -> {});
    return new GuestRings.Ring() {
      @Override
      public Connection connection() {
        return connection;
      }

      @Override
      public void close() {
        store.close(connection);
      }
    };
  }
}

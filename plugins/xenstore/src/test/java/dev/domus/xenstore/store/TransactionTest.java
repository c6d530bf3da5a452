package dev.domus.xenstore.store;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.domus.kernel.service.StoreException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class TransactionTest {
  private final Store store = new Store();
  private final Connection dom0 = store.open(0, () -> {});
  private final Connection guest = store.open(5, () -> {});

  @BeforeEach
  void home() {
    write(dom0, 0, "/local/domain/5/data", "");
    store.setPermissions(dom0, 0, "/local/domain/5/data", List.of("n5"));
  }

  private void write(Connection connection, int transaction, String path, String value) {
    store.write(connection, transaction, path, value.getBytes(StandardCharsets.ISO_8859_1));
  }

  private String read(Connection connection, int transaction, String path) {
    return new String(store.read(connection, transaction, path), StandardCharsets.ISO_8859_1);
  }

  private static void fails(String error, Executable operation) {
    assertEquals(error, assertThrows(StoreException.class, operation).error());
  }

  @Test
  void itSeesASnapshotAndItsOwnWrites() {
    write(dom0, 0, "/a", "old");
    int transaction = store.begin(dom0);
    assertNotEquals(0, transaction);
    write(dom0, 0, "/a", "new");
    write(dom0, 0, "/later", "x");
    assertEquals("old", read(dom0, transaction, "/a"));
    fails("ENOENT", () -> read(dom0, transaction, "/later"));
    write(dom0, transaction, "/b", "own");
    assertEquals("own", read(dom0, transaction, "/b"));
    fails("ENOENT", () -> read(dom0, 0, "/b"));
  }

  @Test
  void committedItHappensAtOnceAbortedNever() {
    int kept = store.begin(dom0);
    write(dom0, kept, "/a/b", "1");
    store.remove(dom0, kept, "/tool");
    store.end(dom0, kept, true);
    assertEquals("1", read(dom0, 0, "/a/b"));
    fails("ENOENT", () -> read(dom0, 0, "/tool"));
    int dropped = store.begin(dom0);
    write(dom0, dropped, "/a/b", "2");
    store.end(dom0, dropped, false);
    assertEquals("1", read(dom0, 0, "/a/b"));
    fails("ENOENT", () -> store.end(dom0, dropped, true));
    fails("ENOENT", () -> read(dom0, dropped, "/a/b"));
  }

  @Test
  void itConflictsWithAWriteToWhatItRead() {
    write(dom0, 0, "/a", "1");
    int transaction = store.begin(dom0);
    read(dom0, transaction, "/a");
    write(dom0, transaction, "/b", "from a");
    write(dom0, 0, "/a", "1"); // the same value: it was written all the same
    fails("EAGAIN", () -> store.end(dom0, transaction, true));
    fails("ENOENT", () -> read(dom0, 0, "/b"));
    fails("ENOENT", () -> store.end(dom0, transaction, true));
  }

  @Test
  void itConflictsWithTheMakingOfWhatItDidNotFind() {
    int transaction = store.begin(dom0);
    fails("ENOENT", () -> read(dom0, transaction, "/a"));
    write(dom0, transaction, "/b", "there is no a");
    store.mkdir(dom0, 0, "/a");
    fails("EAGAIN", () -> store.end(dom0, transaction, true));
  }

  @Test
  void itConflictsWithARemovalAndANewNodeOfTheSameName() {
    write(dom0, 0, "/a", "1");
    int transaction = store.begin(dom0);
    read(dom0, transaction, "/a");
    store.remove(dom0, 0, "/a");
    write(dom0, 0, "/a", "1");
    fails("EAGAIN", () -> store.end(dom0, transaction, true));
  }

  @Test
  void itConflictsWithAChangeOfADirectoryItListed() {
    int transaction = store.begin(dom0);
    store.directory(dom0, transaction, "/tool");
    store.mkdir(dom0, 0, "/tool/new");
    fails("EAGAIN", () -> store.end(dom0, transaction, true));
  }

  @Test
  void writesElsewhereDoNotDisturbIt() {
    write(dom0, 0, "/a/x", "1");
    int transaction = store.begin(dom0);
    write(dom0, transaction, "/a/x", "2");
    for (int i = 0; i < 100; i++) {
      write(guest, 0, "data/busy" + i, "");
    }
    write(dom0, 0, "/a/y/z", "3");
    store.end(dom0, transaction, true);
    assertEquals("2", read(dom0, 0, "/a/x"));
    assertEquals("3", read(dom0, 0, "/a/y/z"));
    assertEquals("", read(guest, 0, "data/busy99"));
  }

  @Test
  void aRefusedChangeIsNoPartOfIt() {
    int transaction = store.begin(guest);
    write(guest, transaction, "data/a", "1");
    fails("EACCES", () -> write(guest, transaction, "/tool", "2"));
    fails("EINVAL", () -> store.remove(guest, transaction, "/"));
    store.end(guest, transaction, true);
    assertEquals("1", read(guest, 0, "data/a"));
  }

  @Test
  void rightsAreThoseOfTheMomentOfItsEnd() {
    int transaction = store.begin(guest);
    write(guest, transaction, "data", "1");
    store.setPermissions(dom0, 0, "/local/domain/5/data", List.of("n0"));
    fails("EAGAIN", () -> store.end(guest, transaction, true));
  }

  @Test
  void transactionsAreTheConnectionsOwn() {
    int transaction = store.begin(dom0);
    fails("ENOENT", () -> store.end(guest, transaction, true));
    Connection other = store.open(0, () -> {});
    fails("ENOENT", () -> read(other, transaction, "/tool"));
    store.close(dom0);
    fails("ENOENT", () -> store.end(dom0, transaction, true));
  }

  @Test
  void quotasBoundThem() {
    for (int i = 1; i < Quota.TRANSACTIONS; i++) {
      store.begin(guest);
    }
    int large = store.begin(guest);
    fails("ENOSPC", () -> store.begin(guest));
    fails("ENOSPC", () -> fill(large, new byte[Quota.VALUE_BYTES], "data"));
    store.end(guest, large, false);
    int wide = store.begin(guest);
    fails("ENOSPC", () -> touchMany(wide));
    store.end(guest, wide, true);
    for (int i = 0; i < 100; i++) {
      store.begin(dom0);
    }
  }

  private void fill(int transaction, byte[] value, String path) {
    for (int i = 0; i < 1000; i++) {
      store.write(guest, transaction, path, value);
    }
  }

  private void touchMany(int transaction) {
    for (int i = 0; i <= Quota.TRANSACTION_NODES; i++) {
      try {
        store.read(guest, transaction, "data/" + i);
      } catch (StoreException absent) {
        if (!absent.error().equals("ENOENT")) {
          throw absent;
        }
      }
    }
  }

  @Test
  void aTransactionThatExceedsTheNodeQuotaChangesNothing() {
    int transaction = store.begin(guest);
    write(guest, transaction, "data/in-time", "");
    for (int i = 0; i < 998; i++) {
      write(guest, 0, "data/x/" + i, "");
    }
    // "data" has a new child: the transaction conflicts before its quota is looked at
    fails("EAGAIN", () -> store.end(guest, transaction, true));
    assertEquals(1000, store.owned(5));
    int full = store.begin(guest);
    fails("ENOSPC", () -> write(guest, full, "data/x/y", ""));
  }

  /**
   * Serializability on a small world: random transactions, interleaved, each of which reads and
   * writes counters. Those that commit must leave what the same ones, run one after the other in
   * the order of their commits, would leave.
   */
  @Test
  void committedTransactionsAreAsIfTheyHadRunOneByOne() {
    Random random = new Random(42);
    Map<String, Integer> model = new TreeMap<>();
    Pending[] open = new Pending[4];
    int commits = 0;
    int conflicts = 0;
    for (int step = 0; step < 20_000; step++) {
      int at = random.nextInt(open.length);
      if (open[at] == null) {
        open[at] = new Pending(store.begin(dom0));
      } else if (random.nextInt(4) > 0) {
        open[at].add(random.nextInt(6), random.nextInt(6));
      } else {
        try {
          store.end(dom0, open[at].id, true);
          open[at].replay(model);
          commits++;
        } catch (StoreException conflict) {
          assertEquals("EAGAIN", conflict.error());
          conflicts++;
        }
        open[at] = null;
        model.forEach(
            (name, value) -> assertEquals(value.toString(), read(dom0, 0, "/counters/" + name)));
      }
    }
    assertEquals(
        true,
        commits > 1000 && conflicts > 1000,
        "commits=%d conflicts=%d".formatted(commits, conflicts));
  }

  /**
   * A transaction under way: for each step, counter {@code to} becomes counter {@code from} plus 1.
   */
  private final class Pending {
    private final int id;
    private final StringBuilder steps = new StringBuilder();

    Pending(int id) {
      this.id = id;
    }

    void add(int from, int to) {
      int value;
      try {
        value = Integer.parseInt(read(dom0, id, "/counters/" + from));
      } catch (StoreException absent) {
        value = 0;
      }
      write(dom0, id, "/counters/" + to, Integer.toString(value + 1));
      steps.append(from).append(to);
    }

    void replay(Map<String, Integer> model) {
      for (int i = 0; i < steps.length(); i += 2) {
        model.put(
            steps.substring(i + 1, i + 2), model.getOrDefault(steps.substring(i, i + 1), 0) + 1);
      }
    }
  }
}

package dev.domus.xenstore.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.domus.kernel.service.StoreException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Nodes, permissions and quotas (xen-pv-abi.md, 15.2). */
class StoreTest {
  private final Store store = new Store();
  private final Connection dom0 = store.open(0, () -> {});
  private final Connection guest = store.open(5, () -> {});
  private final Connection stranger = store.open(6, () -> {});

  /** Rings are another test's. */
  StoreTest() {
    store.serveRings((domid, port) ->
        new GuestRings.Ring() {
          private final Connection connection = store.open(domid, () -> {});

          @Override
          public Connection connection() {
            return connection;
          }

          @Override
          public void close() {
            store.close(connection);
          }
        });
  }

  private void write(Connection connection, String path, String value) {
    store.write(connection, 0, path, value.getBytes(StandardCharsets.ISO_8859_1));
  }

  private String read(Connection connection, String path) {
    return new String(store.read(connection, 0, path), StandardCharsets.ISO_8859_1);
  }

  private List<String> permissions(String path) {
    return store.permissions(dom0, 0, path).texts();
  }

  private void home() {
    write(dom0, "/local/domain/5/data", "");
    store.setPermissions(dom0, 0, "/local/domain/5/data", List.of("n5"));
  }

  private static void fails(String error, Executable operation) {
    assertEquals(error, assertThrows(StoreException.class, operation).error());
  }

  @Test
  void aValueIsReadAsWrittenAndMayBeEmpty() {
    byte[] every = new byte[256];
    for (int i = 0; i < every.length; i++) {
      every[i] = (byte) i;
    }
    store.write(dom0, 0, "/a/b/c", every);
    assertArrayEquals(every, store.read(dom0, 0, "/a/b/c"));
    write(dom0, "/a/b/c", "");
    assertEquals("", read(dom0, "/a/b/c"));
    assertEquals("", read(dom0, "/a/b"), "parents are made, empty");
  }

  @Test
  void childrenStandInTheOrderOfTheirMaking() {
    for (String name : List.of("51728", "51712", "b", "a")) {
      store.mkdir(dom0, 0, "/disks/" + name);
    }
    store.remove(dom0, 0, "/disks/b");
    store.mkdir(dom0, 0, "/disks/b");
    assertEquals(
        List.of("51728", "51712", "a", "b"), store.directory(dom0, 0, "/disks").children());
  }

  @Test
  void makingANodeThatExistsChangesNothing() {
    write(dom0, "/a", "kept");
    store.mkdir(dom0, 0, "/a");
    assertEquals("kept", read(dom0, "/a"));
  }

  @Test
  void removingIsForWholeSubtreesAndForgivesAbsence() {
    write(dom0, "/a/b/c/d", "x");
    store.remove(dom0, 0, "/a/b");
    assertEquals(List.of(), store.directory(dom0, 0, "/a").children());
    store.remove(dom0, 0, "/a/b");
    fails("ENOENT", () -> store.remove(dom0, 0, "/a/b/c"));
    fails("EINVAL", () -> store.remove(dom0, 0, "/"));
  }

  @Test
  void malformedPathsAreInvalid() {
    for (String path :
        List.of(
            "//a",
            "/a/",
            "/a//b",
            "/a b",
            "/a\u00e9",
            "/a.b",
            "",
            "a/",
            "@x",
            "/" + "a".repeat(3072))) {
      fails("EINVAL", () -> store.read(dom0, 0, path));
      fails("EINVAL", () -> write(dom0, path, ""));
    }
    fails("EINVAL", () -> store.read(guest, 0, "a".repeat(2049)));
    fails("ENOENT", () -> store.read(dom0, 0, "/" + "a".repeat(3071)));
  }

  @Test
  void theDeepestPathsWork() {
    String path = "/a".repeat(1536);
    write(dom0, path, "deep");
    assertEquals("deep", read(dom0, path));
    store.remove(dom0, 0, "/a");
    fails("ENOENT", () -> read(dom0, path));
    assertEquals(0, store.owned(5));
  }

  @Test
  void relativePathsAreRelativeToTheDomain() {
    home();
    write(guest, "data/x", "mine");
    assertEquals("mine", read(dom0, "/local/domain/5/data/x"));
    write(dom0, "name", "Domain-0");
    assertEquals("Domain-0", read(dom0, "/local/domain/0/name"));
  }

  @Test
  void permissionsAreTheNodesOwnAndTheOwnerMayDoAll() {
    write(dom0, "/n", "v");
    fails("EACCES", () -> read(guest, "/n"));
    store.setPermissions(dom0, 0, "/n", List.of("n0", "r5"));
    assertEquals("v", read(guest, "/n"));
    fails("EACCES", () -> write(guest, "/n", "w"));
    fails("EACCES", () -> read(stranger, "/n"));
    store.setPermissions(dom0, 0, "/n", List.of("r0", "w5"));
    fails("EACCES", () -> read(guest, "/n"));
    write(guest, "/n", "w");
    assertEquals("w", read(stranger, "/n"), "the owner's letter is for everybody else");
    store.setPermissions(dom0, 0, "/n", List.of("n5", "b6"));
    write(stranger, "/n", "both");
    assertEquals("both", read(guest, "/n"));
    assertEquals("both", read(dom0, "/n"));
  }

  @Test
  void whatIsHiddenDoesNotTellWhetherItExists() {
    write(dom0, "/secret/there", "");
    fails("EACCES", () -> read(guest, "/secret/there"));
    fails("EACCES", () -> read(guest, "/secret/not/there"));
    home();
    fails("ENOENT", () -> read(guest, "data/not/there"));
  }

  @Test
  void whatAGuestMakesIsItsOwnAndInheritsTheRest() {
    write(dom0, "/shared", "");
    store.setPermissions(dom0, 0, "/shared", List.of("n0", "b5", "r6"));
    write(guest, "/shared/a/b", "x");
    assertEquals(List.of("n5", "b5", "r6"), permissions("/shared/a/b"));
    assertEquals(List.of("n5", "b5", "r6"), permissions("/shared/a"));
    write(dom0, "/shared/c", "");
    assertEquals(List.of("n0", "b5", "r6"), permissions("/shared/c"));
    fails("EACCES", () -> write(stranger, "/shared/d", ""));
  }

  @Test
  void onlyTheOwnerSetsPermissionsAndOnlyTheToolstackGivesNodesAway() {
    home();
    store.introduce(dom0, 6, 1);
    store.setPermissions(guest, 0, "data", List.of("n5", "r6"));
    assertEquals(List.of("n5", "r6"), permissions("/local/domain/5/data"));
    fails("EPERM", () -> store.setPermissions(guest, 0, "data", List.of("n6")));
    store.setPermissions(dom0, 0, "/local/domain/5/data", List.of("n5", "b6"));
    fails("EACCES", () -> store.setPermissions(stranger, 0, "/local/domain/5/data", List.of("n5")));
    fails("ENOENT", () -> store.setPermissions(dom0, 0, "/nowhere", List.of("n0")));
    fails(
        "ENOSPC",
        () -> store.setPermissions(guest, 0, "data", List.of("n5", "r0", "r0", "r0", "r0", "r0")));
    for (String malformed : List.of("", "n", "5", "x5", "n-1", "n32752", "n99999999", "n5 ")) {
      fails("EINVAL", () -> store.setPermissions(dom0, 0, "/local", List.of(malformed)));
    }
    fails("EINVAL", () -> store.setPermissions(dom0, 0, "/local", List.of()));
  }

  @Test
  void aGuestCannotGiveRightsToADomainThatIsStillToCome() {
    home();
    store.setPermissions(guest, 0, "data", List.of("n5", "r6"));
    assertEquals(List.of("n5"), permissions("/local/domain/5/data"));
  }

  @Test
  void quotasBoundAGuestAndNotTheToolstack() {
    home();
    for (int i = store.owned(5); i < Quota.NODES; i++) {
      write(guest, "data/" + i, "");
    }
    fails("ENOSPC", () -> write(guest, "data/more", ""));
    fails("ENOSPC", () -> store.mkdir(guest, 0, "data/more"));
    write(guest, "data/500", "still writable");
    store.remove(guest, 0, "data/600");
    write(guest, "data/more", "");
    fails("ENOSPC", () -> write(guest, "data/and/two", ""));
    fails("ENOSPC", () -> store.write(guest, 0, "data/500", new byte[Quota.VALUE_BYTES + 1]));
    store.write(guest, 0, "data/500", new byte[Quota.VALUE_BYTES]);
    store.write(dom0, 0, "/local/domain/5/data/x", new byte[4000]);
  }

  @Test
  void ownedNodesAreCountedThroughEverything() {
    home();
    assertEquals(1, store.owned(5));
    write(guest, "data/a/b/c", "");
    assertEquals(4, store.owned(5));
    store.setPermissions(dom0, 0, "/local/domain/5/data/a/b", List.of("n0"));
    assertEquals(3, store.owned(5));
    int transaction = store.begin(guest);
    store.write(guest, transaction, "data/t/u", new byte[0]);
    assertEquals(3, store.owned(5), "not yet");
    store.end(guest, transaction, true);
    assertEquals(5, store.owned(5));
    store.remove(dom0, 0, "/local/domain/5/data/a");
    assertEquals(3, store.owned(5));
    store.remove(dom0, 0, "/local/domain/5");
    assertEquals(0, store.owned(5));
  }

  @Test
  void aDomainThatGoesLeavesNothingOfItsOwn() {
    home();
    store.introduce(dom0, 5, 1);
    store.introduce(dom0, 6, 1);
    write(dom0, "/shared", "");
    store.setPermissions(dom0, 0, "/shared", List.of("n0", "b5"));
    write(guest, "/shared/mine/too", "");
    store.setPermissions(dom0, 0, "/tool", List.of("n0", "r5", "r6"));
    store.release(dom0, 5);
    assertEquals(0, store.owned(5));
    fails("ENOENT", () -> read(dom0, "/shared/mine"));
    fails("ENOENT", () -> read(dom0, "/local/domain/5/data"));
    assertEquals(
        "", read(dom0, "/local/domain/5"), "what the toolstack owns is the toolstack's to remove");
    assertEquals(List.of("n0", "r6"), permissions("/tool"));
    assertEquals(List.of("n0"), permissions("/shared"));
    fails("ENOENT", () -> store.release(dom0, 5));
  }

  @Test
  void domainsAreThePrivilegedOnesBusiness() {
    fails("EACCES", () -> store.introduce(guest, 6, 1));
    fails("EACCES", () -> store.release(guest, 6));
    fails("EACCES", () -> store.resume(guest, 6));
    fails("EACCES", () -> store.setTarget(guest, 5, 6));
    fails("ENOENT", () -> store.resume(dom0, 6));
  }

  @Test
  void aDeviceModelHasItsTargetsRights() {
    home();
    store.introduce(dom0, 5, 1);
    store.introduce(dom0, 6, 1);
    store.setTarget(dom0, 6, 5);
    Connection model =
        store.introduced().stream()
            .filter(d -> d.domid() == 6)
            .findFirst()
            .orElseThrow()
            .ring()
            .connection();
    write(model, "/local/domain/5/data", "for you");
    store.release(dom0, 5);
    home();
    fails("EACCES", () -> write(model, "/local/domain/5/data", "no longer"));
  }
}

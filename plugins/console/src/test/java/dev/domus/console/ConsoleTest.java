package dev.domus.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.StoreService;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ConsoleTest {
  private static final int DOMID = 5;
  private static final int IN_CONS = 3072, OUT_PROD = 3084;

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final FakeStore store = new FakeStore();
  private final ConsolePlugin plugin = new ConsolePlugin();
  private ConsoleService consoles;

  @BeforeEach
  void start() {
    hypervisor.publish(StoreService.class, store);
    plugin.start(hypervisor);
    consoles = hypervisor.find(ConsoleService.class).orElseThrow();
  }

  @AfterEach
  void stop() {
    plugin.stop();
    assertEquals(0, hypervisor.mapped(), "mappings are given back");
    hypervisor.close();
  }

  private FakeHypervisor.Guest introduce(int domid) {
    FakeHypervisor.Guest guest = hypervisor.guest(domid);
    store.consoleOf(domid);
    store.introduce(domid, 0, 0);
    return guest;
  }

  private void destroy(FakeHypervisor.Guest guest) {
    guest.destroy();
    store.release(guest.domid());
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  @Test
  void whatTheGuestPrintsIsShown() throws Exception {
    Screen screen = new Screen();
    FakeHypervisor.Guest guest = introduce(DOMID);
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      new GuestConsole(guest).print("hello");
      screen.await("hello"::equals);
      console.drain();
    }
  }

  @Test
  void aConsoleCanBeAttachedBeforeItsDomainIsThere() throws Exception {
    Screen screen = new Screen();
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      console.drain();
      CompletableFuture<Void> typing = CompletableFuture.runAsync(() -> type(console, "early"));
      GuestConsole guest = new GuestConsole(introduce(DOMID));
      guest.print("here I am");
      screen.await("here I am"::equals);
      assertEquals("early", guest.read(5));
      typing.get(20, TimeUnit.SECONDS);
    }
  }

  private static void type(ConsoleService.Attachment console, String text) {
    try {
      console.type(bytes(text), 0, text.length());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void outputLongerThanTheRingArrivesWholeAndInOrder() throws Exception {
    StringBuilder expected = new StringBuilder();
    for (int i = 0; expected.length() < 300_000; i++) {
      expected.append("line ").append(i).append("\r\n");
    }
    Screen screen = new Screen();
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      guest.print(expected.toString());
      guest.flush();
      console.drain();
      assertEquals(expected.toString(), screen.text());
    }
  }

  @Test
  void drainingTakesWhatTheGuestNeverToldOf() throws Exception {
    Screen screen = new Screen();
    FakeHypervisor.Guest guest = introduce(DOMID);
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      new GuestConsole(guest).printSilently("last words");
      guest.state(DomainInfo.State.SHUTDOWN);
      console.drain();
      assertEquals("last words", screen.text());
    }
  }

  @Test
  void outputLeftInTheRingIsNotLostWhenTheDomainIsDestroyed() throws Exception {
    Screen screen = new Screen();
    FakeHypervisor.Guest guest = introduce(DOMID);
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      console.drain();
      new GuestConsole(guest).printSilently("last words");
      destroy(guest);
      screen.await("last words"::equals);
    }
  }

  @Test
  void aLateClientSeesTheScrollbackFirst() throws Exception {
    Screen first = new Screen();
    Screen second = new Screen();
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    try (ConsoleService.Attachment one = consoles.attach(DOMID, first)) {
      guest.print("before ");
      one.drain();
      try (ConsoleService.Attachment two = consoles.attach(DOMID, second)) {
        guest.print("after");
        first.await("before after"::equals);
        second.await("before after"::equals);
        two.drain();
      }
    }
  }

  @Test
  void nobodyNeedsToBeAttachedForAGuestToPrint() throws Exception {
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    guest.print("x".repeat(400_000) + "end");
    guest.flush();
    Screen screen = new Screen();
    try (ConsoleService.Attachment console = consoles.attach(DOMID, screen)) {
      console.drain();
      assertTrue(screen.text().endsWith("xend"));
      assertTrue(screen.text().length() >= 64 * 1024, "length=" + screen.text().length());
    }
  }

  @Test
  void aFrozenClientHoldsNeitherTheGuestNorOthersForLong() throws Exception {
    Screen frozen = new Screen();
    Screen lively = new Screen();
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    String much = "y".repeat(3 * OutputLog.CAPACITY) + "!";
    try (ConsoleService.Attachment one = consoles.attach(DOMID, frozen);
        ConsoleService.Attachment two = consoles.attach(DOMID, lively)) {
      frozen.freeze(true);
      guest.print(much);
      guest.flush();
      two.drain();
      assertEquals(much, lively.text());
      frozen.freeze(false);
      one.drain();
      assertTrue(frozen.text().contains("bytes of output are missing here"));
      assertTrue(frozen.text().endsWith("y!"));
    }
  }

  @Test
  void typingWaitsForRoomAndNothingIsLost() throws Exception {
    StringBuilder keys = new StringBuilder();
    for (int i = 0; keys.length() < 5000; i++) {
      keys.append(i).append(' ');
    }
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    try (ConsoleService.Attachment console =
        consoles.attach(DOMID, (bytes, offset, length) -> {})) {
      CompletableFuture<Void> typing =
          CompletableFuture.runAsync(() -> type(console, keys.toString()));
      guest.await(() -> guest.typed() == 1024);
      assertFalse(typing.isDone());
      assertEquals(keys.toString(), guest.read(keys.length()));
      typing.get(20, TimeUnit.SECONDS);
    }
  }

  @Test
  void closingEndsATypistThatWaits() throws Exception {
    GuestConsole guest = new GuestConsole(introduce(DOMID));
    ConsoleService.Attachment console = consoles.attach(DOMID, (bytes, offset, length) -> {});
    CompletableFuture<Void> typing =
        CompletableFuture.runAsync(() -> type(console, "z".repeat(2000)));
    guest.await(() -> guest.typed() == 1024);
    console.close();
    assertThrows(Exception.class, () -> typing.get(20, TimeUnit.SECONDS));
  }

  @Test
  void aGuestThatLiesLosesItsConsoleAndOthersKeepTheirs() throws Exception {
    GuestConsole liar = new GuestConsole(introduce(DOMID));
    GuestConsole honest = new GuestConsole(introduce(6));
    Screen screen = new Screen();
    Screen last = new Screen();
    try (ConsoleService.Attachment lying = consoles.attach(DOMID, last);
        ConsoleService.Attachment telling = consoles.attach(6, screen)) {
      liar.print("so far so good");
      liar.flush();
      liar.lie(OUT_PROD, 1_000_000);
      lying.drain();
      assertEquals("so far so good", last.text());
      assertThrows(IllegalStateException.class, () -> lying.type(bytes("?"), 0, 1));
      honest.print("unharmed");
      telling.drain();
      assertEquals("unharmed", screen.text());
    }
  }

  @Test
  void aGuestThatLiesAboutItsInputLosesItsConsole() throws Exception {
    GuestConsole liar = new GuestConsole(introduce(DOMID));
    try (ConsoleService.Attachment console =
        consoles.attach(DOMID, (bytes, offset, length) -> {})) {
      liar.print("x");
      liar.flush();
      liar.lie(IN_CONS, 77);
      assertThrows(IllegalStateException.class, () -> console.type(bytes("ab"), 0, 2));
    }
  }

  @Test
  void aDomainOfTheSameNumberIsAnother() throws Exception {
    Screen old = new Screen();
    ConsoleService.Attachment console = consoles.attach(DOMID, old);
    FakeHypervisor.Guest first = introduce(DOMID);
    new GuestConsole(first).print("first");
    old.await("first"::equals);
    destroy(first);
    GuestConsole second = new GuestConsole(introduce(DOMID));
    Screen fresh = new Screen();
    try (ConsoleService.Attachment again = consoles.attach(DOMID, fresh)) {
      second.print("second");
      second.flush();
      again.drain();
      assertEquals("second", fresh.text());
      assertEquals("first", old.text());
    }
    console.close();
  }

  @Test
  void withoutXenstoreTheBackendSaysWhatItNeeds() {
    FakeHypervisor bare = new FakeHypervisor();
    IllegalStateException refusal =
        assertThrows(IllegalStateException.class, () -> new ConsolePlugin().start(bare));
    assertTrue(refusal.getMessage().contains("xenstore"), refusal.getMessage());
    bare.close();
  }
}

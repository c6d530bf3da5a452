package dev.domus.console;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.StoreService;
import dev.domus.memory.Window;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Guests that scribble over their rings, and everybody at once. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ConsoleFuzzTest {
  private static final int IN_CONS = 3072, IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084;

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final FakeStore store = new FakeStore();
  private final ConsolePlugin plugin = new ConsolePlugin();
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private ConsoleService consoles;

  @BeforeEach
  void start() {
    hypervisor.publish(StoreService.class, store);
    plugin.start(hypervisor);
    consoles = hypervisor.find(ConsoleService.class).orElseThrow();
  }

  @AfterEach
  void stop() {
    threads.shutdownNow();
    plugin.stop();
    assertEquals(0, hypervisor.mapped());
    hypervisor.close();
  }

  private FakeHypervisor.Guest introduce(int domid) {
    FakeHypervisor.Guest guest = hypervisor.guest(domid);
    store.consoleOf(domid);
    store.introduce(domid, 0, 0);
    return guest;
  }

  @Test
  void indicesRunThroughTheirWholeRange() throws Exception {
    FakeHypervisor.Guest guest = hypervisor.guest(5);
    for (int index : new int[] {OUT_CONS, OUT_PROD}) {
      guest.page().putInt(index, -3000);
    }
    for (int index : new int[] {IN_CONS, IN_PROD}) {
      guest.page().putInt(index, Integer.MAX_VALUE - 700);
    }
    store.consoleOf(5);
    store.introduce(5, 0, 0);
    GuestConsole inside = new GuestConsole(guest);
    Screen screen = new Screen();
    try (ConsoleService.Attachment console = consoles.attach(5, screen)) {
      inside.print("o".repeat(6000));
      inside.flush();
      console.drain();
      assertEquals("o".repeat(6000), screen.text());
      byte[] keys = "k".repeat(3000).getBytes();
      Future<?> typing =
          threads.submit(() -> {
            console.type(keys, 0, keys.length);
            return null;
          });
      assertEquals("k".repeat(3000), inside.read(3000));
      typing.get(20, TimeUnit.SECONDS);
    }
  }

  @Test
  void aPageThatIsScribbledOnHarmsNobody() throws Exception {
    GuestConsole honest = new GuestConsole(introduce(4));
    Screen screen = new Screen();
    try (ConsoleService.Attachment other = consoles.attach(4, screen)) {
      for (int seed = 0; seed < 40; seed++) {
        FakeHypervisor.Guest guest = introduce(5);
        AtomicBoolean done = new AtomicBoolean();
        Random random = new Random(seed);
        ConsoleService.Attachment console = consoles.attach(5, (bytes, offset, length) -> {});
        CompletableFuture<Void> scribbler =
            CompletableFuture.runAsync(() -> scribble(guest, random, done), threads);
        Future<?> typist =
            threads.submit(() -> {
              byte[] keys = new byte[500];
              while (!done.get()) {
                console.type(keys, 0, keys.length);
              }
              return null;
            });
        for (int i = 0; i < 20; i++) {
          console.drain();
          honest.print("still here\n");
        }
        honest.flush();
        done.set(true);
        scribbler.get(20, TimeUnit.SECONDS);
        console.close();
        try {
          typist.get(20, TimeUnit.SECONDS);
        } catch (java.util.concurrent.ExecutionException shutOrClosed) {
          assertEquals(IllegalStateException.class, shutOrClosed.getCause().getClass());
        }
        guest.destroy();
        store.release(5);
      }
      other.drain();
      assertEquals("still here\n".repeat(40 * 20), screen.text());
    }
  }

  /**
   * Mostly moves indices to where they may be, so that the ring lives long enough to be confused.
   */
  private static void scribble(FakeHypervisor.Guest guest, Random random, AtomicBoolean done) {
    Window page = guest.page();
    while (!done.get()) {
      switch (random.nextInt(random.nextInt(50) == 0 ? 3 : 2)) {
        case 0 -> page.putIntRelease(OUT_PROD, page.getIntAcquire(OUT_CONS) + random.nextInt(2049));
        case 1 -> page.putIntRelease(IN_CONS, page.getIntAcquire(IN_PROD) - random.nextInt(1025));
        default -> page.putByte(random.nextInt(4096), (byte) random.nextInt());
      }
      guest.send();
    }
  }

  @Test
  void guestsClientsAndTypistsTogetherLoseNothing() throws Exception {
    int guests = 4;
    int lines = 2000;
    List<Future<?>> work = new ArrayList<>();
    List<ConsoleService.Attachment> attached = new ArrayList<>();
    List<Screen> screens = new ArrayList<>();
    for (int domid = 1; domid <= guests; domid++) {
      GuestConsole inside = new GuestConsole(introduce(domid));
      for (int client = 0; client < 2; client++) {
        Screen screen = new Screen();
        screens.add(screen);
        attached.add(consoles.attach(domid, screen));
      }
      ConsoleService.Attachment console = attached.getLast();
      work.add(threads.submit(() -> echo(inside, lines)));
      work.add(
          threads.submit(() -> {
            byte[] keys = "0123456789".getBytes();
            for (int i = 0; i < lines; i++) {
              console.type(keys, 0, keys.length);
            }
            return null;
          }));
    }
    for (Future<?> each : work) {
      each.get(60, TimeUnit.SECONDS);
    }
    for (ConsoleService.Attachment console : attached) {
      console.drain();
    }
    for (Screen screen : screens) {
      assertEquals("0123456789".repeat(lines), screen.text());
    }
    attached.forEach(ConsoleService.Attachment::close);
  }

  private static void echo(GuestConsole inside, int lines) {
    for (int i = 0; i < lines; i++) {
      inside.print(inside.read(10));
    }
    inside.flush();
  }

  /** Clients come and go while the guest prints; each sees a piece of the whole without a gap. */
  @Test
  void clientsThatComeAndGoSeePiecesWithoutGaps() throws Exception {
    GuestConsole inside = new GuestConsole(introduce(5));
    StringBuilder all = new StringBuilder();
    for (int i = 0; i < 20_000; i++) {
      all.append(i).append('\n');
    }
    Future<?> printing = threads.submit(() -> inside.print(all.toString()));
    for (int i = 0; i < 100; i++) {
      Screen screen = new Screen();
      try (ConsoleService.Attachment console = consoles.attach(5, screen)) {
        console.drain();
      }
      assertEquals(true, all.indexOf(screen.text()) >= 0, "a piece of the whole");
    }
    printing.get(60, TimeUnit.SECONDS);
  }
}

package dev.domus.isolation;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.memory.Window;
import dev.domus.toolstack.build.BuiltDomain;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.BiPredicate;
import java.util.zip.CRC32;

/** A guest under test, with its console ring (xen-pv-abi.md, 15.5) in the test's hands. */
final class TestGuest implements AutoCloseable {
  private static final int IN_SIZE = 1024, OUT = 1024, OUT_SIZE = 2048;
  private static final int IN_PROD = 3076, OUT_CONS = 3080, OUT_PROD = 3084;
  private static final int SETTLING_MILLIS = 10, SETTLED = 5;

  private final Control control;
  private final BuiltDomain built;
  private final News news;
  private final EventPort port;
  private Window ring;
  private boolean closed;
  private final StringBuilder said = new StringBuilder();

  /**
   * Takes a guest's console.
   *
   * @param news hears of its console, and of the end of any domain
   */
  TestGuest(Control control, Hypercalls hypercalls, BuiltDomain built, News news) {
    this.control = control;
    this.built = built;
    this.news = news;
    ring = control.mapForeign(built.domid(), pfn(built.consoleMfn()), 1, true);
    port = hypercalls.bindInterdomain(built.domid(), built.consolePort(), this::hear);
  }

  private long pfn(long mfn) {
    long pfn = 0;
    while (control.mfn(built.domid(), pfn) != mfn) {
      pfn++;
    }
    return pfn;
  }

  int domid() {
    return built.domid();
  }

  DomainInfo info() {
    return control.domain(built.domid()).orElseThrow();
  }

  /** Takes what it has printed, so that it never waits for room. */
  private void hear() {
    drain();
    news.heard();
  }

  private synchronized void drain() {
    if (closed) {
      return;
    }
    int cons = ring.getInt(OUT_CONS);
    int prod = ring.getIntAcquire(OUT_PROD);
    if (cons == prod) {
      return;
    }
    for (; cons != prod; cons++) {
      said.append((char) ring.getByte(OUT + (cons & OUT_SIZE - 1)));
    }
    ring.putIntRelease(OUT_CONS, cons);
    port.send();
  }

  /** What it has printed so far. */
  synchronized String said() {
    drain();
    return said.toString();
  }

  /** Waits until it has printed something; returns all that it has printed. */
  String awaitSaid(String text, int seconds) throws InterruptedException {
    return await(seconds, (said, over) -> said.contains(text));
  }

  /** Waits until it has shut down; returns all that it has printed. */
  String awaitEnd(int seconds) throws InterruptedException {
    return await(seconds, (said, over) -> over);
  }

  /** Waits until it has printed more than so many characters. */
  void awaitMore(int characters, int seconds) throws InterruptedException {
    await(seconds, (said, over) -> said.length() > characters);
  }

  private String await(int seconds, BiPredicate<String, Boolean> enough)
      throws InterruptedException {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    boolean timely = true;
    while (true) {
      long seen = news.count();
      boolean over = info().state() == DomainInfo.State.SHUTDOWN;
      String all = said();
      if (enough.test(all, over)) {
        return all;
      }
      if (over || !timely) {
        throw new AssertionError(
            "domain "
                + domid()
                + (over ? " ended" : " is still there after " + seconds + " s")
                + ", and said:\n"
                + all);
      }
      timely = news.await(seen, end);
    }
  }

  /** Types a line at its console. */
  void type(String line) {
    int prod = ring.getInt(IN_PROD);
    for (byte b : (line + "\r").getBytes(StandardCharsets.US_ASCII)) {
      ring.putByte(prod++ & IN_SIZE - 1, b);
    }
    ring.putIntRelease(IN_PROD, prod);
    port.send();
  }

  /** A checksum of each of its pages. */
  long[] memory() {
    long[] sums = new long[TestHost.GUEST_PAGES];
    byte[] page = new byte[4096];
    for (int pfn = 0; pfn < sums.length; pfn++) {
      try (Window window = control.mapForeign(domid(), pfn, 1, false)) {
        window.read(0, page, 0, page.length);
      }
      CRC32 crc = new CRC32();
      crc.update(page);
      sums[pfn] = crc.getValue();
    }
    return sums;
  }

  /**
   * Its memory once it has gone to sleep: it may still be at what it does after it has spoken. A
   * guest that blocks tells nobody, so this looks until it has done nothing for a while.
   */
  long[] settledMemory() throws InterruptedException {
    long[] before = memory();
    for (int same = 0; same < SETTLED; ) {
      Thread.sleep(SETTLING_MILLIS);
      long[] now = memory();
      same = Arrays.equals(before, now) ? same + 1 : 0;
      before = now;
    }
    return before;
  }

  /** Lets go of its console ring, so that nobody but the guest refers to its memory. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      ring.close();
    }
  }

  /** Takes the console ring again. */
  synchronized void reopen() {
    closed = false;
    ring = control.mapForeign(built.domid(), pfn(built.consoleMfn()), 1, true);
  }
}

package dev.domus.console;

import dev.domus.memory.Window;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** The guest's end of a console ring, written from the ABI alone (xen-pv-abi.md, 15.5). */
final class GuestConsole {
  private static final int OUT = 1024,
      IN_CONS = 3072,
      IN_PROD = 3076,
      OUT_CONS = 3080,
      OUT_PROD = 3084;
  private static final long PATIENCE_SECONDS = 20;

  private final FakeHypervisor.Guest guest;
  private final Window page;

  GuestConsole(FakeHypervisor.Guest guest) {
    this.guest = guest;
    page = guest.page();
  }

  /** Prints and notifies; waits while the ring is full. */
  void print(String text) {
    for (byte b : text.getBytes(StandardCharsets.ISO_8859_1)) {
      await(() -> page.getInt(OUT_PROD) - page.getIntAcquire(OUT_CONS) < 2048);
      put(b);
    }
    guest.send();
  }

  /** Puts text into the ring, which has room for it, and tells nobody. */
  void printSilently(String text) {
    for (byte b : text.getBytes(StandardCharsets.ISO_8859_1)) {
      put(b);
    }
  }

  private void put(byte b) {
    int prod = page.getInt(OUT_PROD);
    page.putByte(OUT + (prod & 2047), b);
    page.putIntRelease(OUT_PROD, prod + 1);
  }

  /** Waits until all that was printed has been taken. */
  void flush() {
    await(() -> page.getInt(OUT_PROD) == page.getIntAcquire(OUT_CONS));
  }

  /** Bytes that were typed and not read. */
  int typed() {
    return page.getIntAcquire(IN_PROD) - page.getInt(IN_CONS);
  }

  /** Reads keys. */
  String read(int count) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      await(() -> typed() > 0);
      int cons = page.getInt(IN_CONS);
      text.append((char) (page.getByte(cons & 1023) & 0xFF));
      page.putIntRelease(IN_CONS, cons + 1);
    }
    return text.toString();
  }

  /** Lies about an index. */
  void lie(int offset, int value) {
    page.putIntRelease(offset, value);
    guest.send();
  }

  void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!condition.getAsBoolean()) {
      guest.send();
      try {
        if (System.nanoTime() > deadline
            || !guest.events().tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
          throw new AssertionError("the backend did nothing");
        }
        guest.events().drainPermits();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }
}

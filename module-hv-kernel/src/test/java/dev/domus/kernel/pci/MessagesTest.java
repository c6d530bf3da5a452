package dev.domus.kernel.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class MessagesTest {
  private final AtomicInteger sent = new AtomicInteger();
  private final Messages messages = new Messages(1, (address, data) -> sent.incrementAndGet());

  @Test
  void whatIsRaisedTwiceWhileMaskedIsSentOnce() {
    messages.set(0, 0xfee0_0000L, 1);
    messages.raise(0);
    messages.raise(0);
    messages.mask(0, false);
    messages.mask(0, false);
    assertEquals(1, sent.get());
  }

  /** A message that is raised while another thread unmasks arrives: now or with the unmasking. */
  @Test
  void nothingIsLostBetweenRaiseAndUnmask() throws InterruptedException {
    messages.set(0, 0xfee0_0000L, 1);
    for (int i = 0; i < 20_000; i++) {
      sent.set(0);
      messages.mask(0, true);
      Thread raiser = Thread.ofVirtual().start(() -> messages.raise(0));
      messages.mask(0, false);
      raiser.join();
      assertEquals(1, sent.get());
    }
  }
}

package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * Two guests with grant tables of version 2: parts of pages, grants passed on, and frames given for
 * good. The guests check what they see; the frame table is scanned when they have ended.
 */
class GiftsTest {
  private static final int PATIENCE_SECONDS = 240; // for hosts that are busy with other tests
  private static final int SERVER = 1, CLIENT = 2, ROUNDS = 50;
  private static final Pattern OFFER = Pattern.compile("offers port=(\\d+) to domain " + CLIENT);

  @Test
  void twoGuestsLendPassOnAndGive() throws Exception {
    try (TestHost host = new TestHost()) {
      TestGuest server =
          host.start("gifts", "role=server peer=%d rounds=%d".formatted(CLIENT, ROUNDS));
      String offered = server.awaitSaid("to domain " + CLIENT, PATIENCE_SECONDS);
      Matcher offer = OFFER.matcher(offered);
      assertTrue(offer.find(), offered);
      TestGuest client =
          host.start(
              "gifts",
              "role=client peer=%d rounds=%d port=%s".formatted(SERVER, ROUNDS, offer.group(1)));
      String clientSaid = client.awaitEnd(PATIENCE_SECONDS);
      String serverSaid = server.awaitEnd(PATIENCE_SECONDS);
      String said = serverSaid + clientSaid;
      assertEquals(SERVER, server.domid());
      assertEquals(CLIENT, client.domid());
      assertEquals(DomainInfo.POWEROFF, client.info().shutdownReason(), said);
      assertEquals(DomainInfo.POWEROFF, server.info().shutdownReason(), said);
      assertTrue(said.contains("client: " + ROUNDS + " frames got and given back"), said);
      assertTrue(said.contains("server: " + ROUNDS + " frames given and got back"), said);
      server.close();
      client.close();
      host.scan();
      host.control().destroyDomain(server.domid());
      host.scan();
      host.control().destroyDomain(client.domid());
      host.scan();
    }
  }
}

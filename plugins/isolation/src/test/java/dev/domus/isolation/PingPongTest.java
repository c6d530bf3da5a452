package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainInfo;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Two guests of two vCPUs each, every vCPU with a page and an event channel to its partner in the
 * other guest: the guests check each word of each round trip; memory is scanned when they have
 * ended, while their frames are still theirs and again afterwards.
 */
class PingPongTest {
  private static final int SERVER = 1, CLIENT = 2, VCPUS = 2;
  private static final int PATIENCE_SECONDS = 240, LONG_PATIENCE_SECONDS = 1800;
  private static final Pattern OFFER =
      Pattern.compile("offers ref=(\\d+) port=(\\d+) to domain " + CLIENT);

  @Test
  void allFourVcpusTalkAndNothingIsLost() throws Exception {
    talk(5_000, PATIENCE_SECONDS);
  }

  @Test
  @Tag("long")
  void alsoInAMillionRoundTrips() throws Exception {
    talk(1_000_000, LONG_PATIENCE_SECONDS);
  }

  private static void talk(int rounds, int patience) throws Exception {
    try (TestHost host = new TestHost()) {
      TestGuest server =
          host.start(
              "pingpong", "role=server peer=%d vcpus=%d no-store".formatted(CLIENT, VCPUS), VCPUS);
      String offered = server.awaitSaid("to domain " + CLIENT, PATIENCE_SECONDS);
      Matcher offer = OFFER.matcher(offered);
      assertTrue(offer.find(), offered);
      TestGuest client =
          host.start(
              "pingpong",
              "role=client peer=%d rounds=%d vcpus=%d no-store ref=%s port=%s"
                  .formatted(SERVER, rounds, VCPUS, offer.group(1), offer.group(2)),
              VCPUS);
      String clientSaid = client.awaitEnd(patience);
      String serverSaid = server.awaitEnd(PATIENCE_SECONDS);
      String said = serverSaid + clientSaid;
      assertEquals(DomainInfo.POWEROFF, client.info().shutdownReason(), said);
      assertEquals(DomainInfo.POWEROFF, server.info().shutdownReason(), said);
      assertTrue(said.contains("client: " + rounds + " rounds"), said);
      assertTrue(said.contains("server: answered " + rounds + " rounds"), said);
      assertEquals(VCPUS, said.split("taken back, not in use", -1).length - 1, said);
      System.out.println(clientSaid.strip());
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

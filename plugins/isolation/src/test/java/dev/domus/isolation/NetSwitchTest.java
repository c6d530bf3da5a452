package dev.domus.isolation;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Guests with a network stack of their own, on a switch of the network backend. */
@Timeout(value = 240, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NetSwitchTest {
  private static final Map<String, String> SWITCH = Map.of("type", "switch");

  @Test
  void twoGuestsPingEachOther() throws Exception {
    try (NetMachine machine = new NetMachine()) {
      NetMachine.Host server = machine.start("ip=10.1.0.1/24 serve", 1, SWITCH);
      server.await("net: serving");
      NetMachine.Host client = machine.start("ip=10.1.0.2/24 ping=10.1.0.1", 2, SWITCH);
      client.await("net: ping: 3 replies of 3");
      client.await(" 0 bad sums");
    }
  }

  @Test
  void aStreamArrivesAsItWasSent() throws Exception {
    try (NetMachine machine = new NetMachine()) {
      NetMachine.Host server = machine.start("ip=10.1.0.1/24 serve", 1, SWITCH);
      server.await("net: serving");
      NetMachine.Host client = machine.start("ip=10.1.0.2/24 pour=10.1.0.1:9", 2, SWITCH);
      client.await("net: poured 1048576 bytes");
      String said = server.await("net: swallowed 1048576 bytes");
      assertFalse(said.contains("not the pattern"), said);
    }
  }

  @Test
  void largeSegmentsAreCutForAGuestThatTakesNone() throws Exception {
    try (NetMachine machine = new NetMachine()) {
      NetMachine.Host server = machine.start("ip=10.1.0.1/24 serve no-offload", 1, SWITCH);
      server.await("net: serving");
      NetMachine.Host client = machine.start("ip=10.1.0.2/24 large pour=10.1.0.1:9", 2, SWITCH);
      client.await("net: poured 1048576 bytes");
      String said = server.await("net: swallowed 1048576 bytes");
      assertFalse(said.contains("not the pattern"), said);
    }
  }

  @Test
  void largeSegmentsPassWholeBetweenGuestsThatTakeThem() throws Exception {
    try (NetMachine machine = new NetMachine()) {
      NetMachine.Host server = machine.start("ip=10.1.0.1/24 serve", 1, SWITCH);
      server.await("net: serving");
      NetMachine.Host client = machine.start("ip=10.1.0.2/24 large pour=10.1.0.1:9", 2, SWITCH);
      client.await("net: poured 1048576 bytes");
      String said = server.await("net: swallowed 1048576 bytes");
      assertFalse(said.contains("not the pattern"), said);
      String statistics = client.await("packets received");
      assertTrue(statistics.contains("net: "), statistics);
    }
  }
}

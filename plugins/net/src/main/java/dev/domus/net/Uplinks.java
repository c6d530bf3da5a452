package dev.domus.net;

import dev.domus.net.bridge.LearningSwitch;
import dev.domus.net.bridge.Vlans;
import dev.domus.net.packet.PacketSink;
import dev.domus.net.packet.Uplink;
import java.util.HashMap;
import java.util.Map;

/**
 * What interfaces can be plugged into: switches by name, made when the first interface wants them
 * and gone with the last. Not thread-safe: the control worker's.
 */
final class Uplinks implements AutoCloseable {
  private static final String USUAL_SWITCH = "switch0";

  private final Map<String, LearningSwitch> switches = new HashMap<>();

  /**
   * Plugs an interface in.
   *
   * @param nodes what is said of it
   * @param station takes what comes for it
   */
  Uplink open(VifNodes nodes, PacketSink station) throws UplinkException {
    String type = nodes.own("type").orElse("switch");
    return switch (type) {
      case "switch" -> openSwitch(nodes, station);
      default ->
          throw new UplinkException(
              "%s: type=%s is nothing that an interface can be plugged into; write type=switch"
                  .formatted(nodes.label(), type));
    };
  }

  private Uplink openSwitch(VifNodes nodes, PacketSink station) throws UplinkException {
    String name = nodes.own("bridge").orElse(USUAL_SWITCH);
    String vlan = nodes.own("vlan").orElse("" + Vlans.USUAL);
    Vlans vlans =
        Vlans.parse(vlan)
            .orElseThrow(() ->
                new UplinkException(
                    "%s: vlan=%s is not a VLAN; write 10 for untagged frames of VLAN 10, 10:20:30 with tagged ones besides, :20:30 for tagged ones only (numbers 1 to 4094)"
                        .formatted(nodes.label(), vlan)));
    LearningSwitch chosen = switches.computeIfAbsent(name, made -> new LearningSwitch());
    try {
      Uplink port = chosen.connect(station, vlans);
      return new SwitchUplink(name, chosen, port);
    } catch (IllegalStateException full) {
      throw new UplinkException(
          "%s: switch %s has %d ports, and all are taken; use another"
              .formatted(nodes.label(), name, LearningSwitch.PORTS));
    }
  }

  /** A port of a switch, which goes when nobody is plugged into it any more. */
  private final class SwitchUplink implements Uplink {
    private final String name;
    private final LearningSwitch owner;
    private final Uplink port;

    SwitchUplink(String name, LearningSwitch owner, Uplink port) {
      this.name = name;
      this.owner = owner;
      this.port = port;
    }

    @Override
    public boolean receive(dev.domus.net.packet.Packet packet) {
      return port.receive(packet);
    }

    @Override
    public void close() {
      port.close();
      if (owner.isEmpty()) {
        switches.remove(name, owner);
      }
    }
  }

  @Override
  public void close() {
    switches.clear();
  }
}

package dev.domus.kernel.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.domus.kernel.plugin.Host.NamedPart;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.Service;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the host hands to the hypervisor, and when it refuses to. */
class StartMachineTest extends HostTest {
  private final List<String> handedOver = new ArrayList<>();

  StartMachineTest() {
    starter =
        (spec, engines, schedulers, policies, models, modes, services) -> {
          handedOver.addAll(engines.keySet());
          handedOver.addAll(schedulers.keySet());
          handedOver.addAll(policies.keySet());
          handedOver.addAll(models.keySet());
          handedOver.addAll(modes.keySet());
          handedOver.addAll(services.stream().map(Service::name).toList());
          return new IdleMachine();
        };
  }

  private static MachineSpec spec(String scheduler) {
    return new MachineSpec(1 << 20, false, 1, "Pool-0", scheduler);
  }

  private void putEngineAndSchedulers() throws IOException {
    smith.plugin(
        "engine",
        PluginSmith.ENGINE,
        PluginSmith.engineSource("jvm", "java.util.Optional.empty()", ""));
    smith.scheduler("a", "credit");
    smith.scheduler("b", "rr");
  }

  @Test
  void theMachineGetsAllPartsAndServicesInTheirOrder() throws Exception {
    putEngineAndSchedulers();
    smith.plugin("c", PluginSmith.SERVICE, PluginSmith.serviceSource("console", 10));
    smith.plugin("x", PluginSmith.SERVICE, PluginSmith.serviceSource("xenstore", 0));
    smith.plugin("p", PluginSmith.POLICY, PluginSmith.policySource("rules"));
    smith.plugin("d", PluginSmith.DEVICE, PluginSmith.deviceSource("nvme"));

    smith.plugin("m", PluginSmith.DMA_MODE, PluginSmith.dmaModeSource("deferred"));
    smith.plugin("n", PluginSmith.DMA_MODE, PluginSmith.dmaModeSource("strict"));

    PluginHost host = host();
    host.start(spec("rr")).close();

    assertEquals(
        List.of("jvm", "credit", "rr", "rules", "nvme", "deferred", "xenstore", "console"),
        handedOver);
    assertEquals(
        List.of("strict", "deferred"), host.dmaModes().stream().map(NamedPart::name).toList());
    assertSays(plugin(host, "test.n").problem(), "strict is not in use", "built-in");
    assertEquals(
        "file", host.deviceModels().getFirst().options().getFirst().name(), "what it can be told");
  }

  @Test
  void aSchedulerThatDoesNotExistIsRefusedWithAListOfThoseThatDo() throws Exception {
    putEngineAndSchedulers();

    MachineException refused =
        assertThrows(MachineException.class, () -> host().start(spec("fifo")));

    assertSays(refused.getMessage(), "scheduler=fifo", "there are credit, rr");
  }

  @Test
  void withoutAnEngineTheReasonIsTold() throws Exception {
    smith.scheduler("a", "credit");
    smith.plugin(
        "kvm",
        PluginSmith.ENGINE,
        PluginSmith.engineSource("kvm", "java.util.Optional.of(\"no /dev/kvm\")", ""));

    MachineException refused =
        assertThrows(MachineException.class, () -> host().start(spec("credit")));

    assertSays(refused.getMessage(), "no engine", "kvm: no /dev/kvm");
  }

  @Test
  void thereIsOneMachineAtATime() throws Exception {
    putEngineAndSchedulers();
    PluginHost host = host();
    Machine first = host.start(spec("rr"));

    MachineException refused = assertThrows(MachineException.class, () -> host.start(spec("rr")));
    first.close();
    first.close();
    Machine second = host.start(spec("rr"));

    assertSays(refused.getMessage(), "close it first");
    first.close(); // an old handle has no say about the new machine
    assertThrows(MachineException.class, () -> host.start(spec("rr")));
    second.close();
  }

  @Test
  void aMachineThatDidNotStartIsNotInTheWay() throws Exception {
    putEngineAndSchedulers();
    MachineStarter works = starter;
    List<MachineStarter> attempts =
        new ArrayList<>(
            List.of(
                (spec, engines, schedulers, policies, models, modes, services) -> {
                  throw new MachineException("no memory");
                },
                works));
    starter =
        (spec, engines, schedulers, policies, models, modes, services) ->
            attempts
                .removeFirst()
                .start(spec, engines, schedulers, policies, models, modes, services);
    PluginHost host = host();

    assertThrows(MachineException.class, () -> host.start(spec("rr")));
    host.start(spec("rr")).close();
  }
}

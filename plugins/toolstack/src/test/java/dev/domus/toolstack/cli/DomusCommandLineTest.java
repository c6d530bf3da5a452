package dev.domus.toolstack.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.plugin.Host;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.MachineException;
import dev.domus.kernel.plugin.MachineSpec;
import dev.domus.kernel.plugin.PluginInfo;
import dev.domus.kernel.plugin.Subcommand;
import dev.domus.kernel.plugin.UsageException;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.toolstack.image.TestImage;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DomusCommandLineTest {
  @TempDir private Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  /** A host that never has a machine: what gets as far as starting one has passed all checks. */
  private static final class NoMachine implements Host {
    @Override
    public List<NamedPart> engines() {
      return List.of(new NamedPart("jvm", "pure Java"));
    }

    @Override
    public List<NamedPart> schedulers() {
      return List.of(new NamedPart("rr", "round-robin"), new NamedPart("credit", "by weight"));
    }

    @Override
    public List<ParameterInfo> schedulerParameters() {
      return List.of(
          new ParameterInfo("rr", "pool", "slice", "number", "100 … 9000 us", "500", "a turn"),
          new ParameterInfo("rr", "vcpu", "turns", "number", "1 … 9", "1", "how many"));
    }

    @Override
    public List<SchedulerFactory> schedulerFactories() {
      return List.of();
    }

    @Override
    public List<Subcommand> subcommands() {
      return List.of(
          new Echo("sched", "echo"), new Echo("sched", "list"), new Echo("starship", "launch"));
    }

    @Override
    public List<NamedPart> policies() {
      return List.of(new NamedPart("default", "as ever"), new NamedPart("rules", "from a file"));
    }

    @Override
    public List<DeviceModelInfo> deviceModels() {
      return List.of(
          new DeviceModelInfo("echo", "answers", List.of()),
          new DeviceModelInfo(
              "nvme",
              "a disk",
              List.of(
                  new DeviceOption("file", "PATH", Optional.empty(), "the disk's contents"),
                  new DeviceOption("queues", "1 … 16", Optional.of("4"), "pairs of queues"))));
    }

    @Override
    public List<NamedPart> dmaModes() {
      return List.of(new NamedPart("strict", "at once"), new NamedPart("deferred", "later"));
    }

    @Override
    public List<String> services() {
      return List.of("xenstore", "console");
    }

    @Override
    public List<PluginInfo> plugins() {
      return List.of(
          new PluginInfo("dev.domus.good", "1.0", "good.jar", ""),
          new PluginInfo("bad.jar", "", "bad.jar", "is \"no\" zip file"));
    }

    @Override
    public List<HypercallInfo> hypercalls() {
      return List.of(
          new HypercallInfo(0, "set_trap_table", OptionalInt.empty(), "", "done", ""),
          new HypercallInfo(17, "xen_version", OptionalInt.of(10), "build_id", "refused", "none"));
    }

    @Override
    public Machine start(MachineSpec spec) throws MachineException {
      throw new MachineException(
          "asked for %s%s on %d"
              .formatted(
                  spec.scheduler(),
                  spec.schedulerParameters().isEmpty()
                      ? ""
                      : " " + new TreeMap<>(spec.schedulerParameters()),
                  spec.pcpus()));
    }
  }

  /** Another plugin's command: prints its arguments, and dislikes {@code --bad}. */
  private record Echo(List<String> path) implements Subcommand {
    Echo(String... path) {
      this(List.of(path));
    }

    @Override
    public String description() {
      return "Print what follows.";
    }

    @Override
    public int run(List<String> args, Host host, PrintWriter out, PrintWriter err)
        throws UsageException {
      if (args.contains("--bad")) {
        throw new UsageException("--bad: is bad; leave it out");
      }
      out.println(String.join("|", args));
      return 1;
    }
  }

  private int domus(String... args) {
    return DomusCommandLine.run(
        args, new NoMachine(), new PrintWriter(out, true), new PrintWriter(err, true));
  }

  private Path goodImage() throws Exception {
    return Files.write(directory.resolve("kernel.elf"), TestImage.good().bytes());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "run                              | --kernel",
        "run --kernel                     | --kernel",
        "run --kernel x --memory 64Q      | '64Q' is no amount of memory; write it like 64M or 2G",
        "run --kernel x --memory 0        | '0' is out of range",
        "run --kernel x --memory 2000T    | '2000T' is out of range",
        "run --kernel x --memory 5K       | '5K' is not a multiple of 4K",
        "run --kernel x --vcpus many      | --vcpus",
        "run --kernel x --vcpus 0         | --vcpus: is 0, and has to be 1 to 128",
        "run --kernel x --pcpus 0         | --pcpus: is 0, and has to be 1 to 256",
        "run --kernel x --weight 65536    | --weight: is 65536, and has to be 1 to 65535",
        "run --kernel x --scheduler fair  | --scheduler: there is no scheduler \"fair\"; there is rr, credit",
        "run --kernel x --engine steam    | --engine: there is no engine \"steam\"; there is jvm",
        "run --kernel x --cpus 0-1        | --cpus: \"1\" is no pCPU; there are 0 to 0 (--pcpus), write them like 0,2-3",
        "run --kernel x --cpus all        | --cpus: \"all\" is no pCPU",
        "run --kernel x --cpus 1-0 --pcpus 2 | --cpus: \"1-0\" runs backwards",
        "run --kernel x --cpus-soft 0,    | --cpus-soft: \"\" is no pCPU",
        "run --kernel x --sched-gran 2 --pcpus 3 | --sched-gran: 2 does not divide the pCPUs into cores of up to 64; there are 3 (--pcpus)",
        "run --kernel x --sched-gran 0    | --sched-gran: 0 does not divide",
        "run --kernel x --sched-param a   | --sched-param",
        "run --kernel x --policy flask    | --policy: there is no access policy \"flask\"; there is default, rules",
        "run --kernel x --policy :f       | --policy: there is no access policy \"\"; there is default, rules",
        "run --kernel x --driver-domain d | --driver-domain: \"d\": should be NAME=SERVICE[,SERVICE...]",
        "run --kernel x --driver-domain =console | should be NAME=SERVICE[,SERVICE...]",
        "run --kernel x --driver-domain d=disk | there is no service \"disk\"; there is xenstore, console",
        "run --kernel x --driver-domain d=console,console | service console has a driver domain already",
        "run --kernel x --driver-domain d=console --driver-domain d=xenstore | of that name already",
        "run --kernel x --device nvme     | --device: \"nvme\": should be MODEL@BB:DD.F[,OPTION=VALUE...]",
        "run --kernel x --device nvmee@0:4.0 | there is no device model \"nvmee\"; there is echo, nvme",
        "run --kernel x --device echo@0:20.0 | \"0:20.0\" is no PCI address; write bus, device",
        "run --kernel x --device nvme@0:4.0 | needs file=PATH (the disk's contents)",
        "run --kernel x --device nvme@0:4.0,fiel=d | there is no option \"fiel\"; nvme has file, queues",
        "run --kernel x --device nvme@0:4.0,file | \"file\" should be OPTION=VALUE; nvme has file, queues",
        "run --kernel x --device nvme@0:4.0,file=a,file=b | option file is given twice",
        "run --kernel x --device echo@0:4.0 --device echo@0000:00:04.0 | at that address already",
        "run --kernel x --device echo@0:4.0 --deterministic | leave it or --deterministic out",
        "run --kernel x --pci 00:04.0      | there is no device at that address; put one there with --device",
        "run --kernel x --device echo@0:4.0 --pci 4 | \"4\" is no PCI address",
        "run --kernel x --device echo@0:4.0 --pci 0:4.0 --pci 00:04.0 | the guest has it already",
        "run --kernel /none               | /none: no such file",
        "run --kernel x --colour          | --colour",
        "fly                              | fly",
        "sched                            | a command is missing (list, parameters, echo)",
        "sched echo --bad                 | --bad: is bad; leave it out",
      })
  void mistakesAreAnsweredInOneLineWithStatus2(String line, String complaint) {
    assertEquals(2, domus(line.split(" +")));
    assertTrue(err.toString().startsWith("domus: "), err::toString);
    assertTrue(err.toString().lines().toList().getLast().contains(complaint), err::toString);
    assertEquals("", out.toString());
  }

  @Test
  void aMachineThatDoesNotStartIsNotTheUsersMistake() throws Exception {
    assertEquals(69, domus("run", "--kernel", goodImage().toString(), "--pcpus", "2"));
    assertEquals(
        "domus: the machine does not start: asked for credit on 2", err.toString().strip());
  }

  @Test
  void parametersOfTheSchedulerAreHandedOver() throws Exception {
    String image = goodImage().toString();
    domus("run", "--kernel", image, "--sched-param", "a=1", "--sched-param", "schedule=d1v0:5ms");
    assertTrue(err.toString().contains("credit {a=1, schedule=d1v0:5ms} on 1"), err::toString);
  }

  @Test
  void schedulersAreListedWithTheirParameters() {
    assertEquals(0, domus("sched", "list"));
    assertTrue(out.toString().matches("(?s).*rr +round-robin +slice +turns\n.*"), out::toString);
    assertEquals(0, domus("sched", "parameters"));
    assertTrue(
        out.toString().matches("(?s).*rr +pool +slice +number +100 … 9000 us +500 +a turn\n.*"),
        out::toString);
  }

  @Test
  void dmaModesAreListed() {
    assertEquals(0, domus("device", "modes"));
    assertTrue(out.toString().matches("(?s).*strict +at once\ndeferred +later\n.*"), out::toString);
  }

  @Test
  void anImageThatDoesNotFitIsRefusedBeforeTheMachineStarts() throws Exception {
    assertEquals(2, domus("run", "--kernel", goodImage().toString(), "--memory", "2"));
    assertTrue(err.toString().contains("give --memory 4M or more"), err::toString);
  }

  @Test
  void aRamdiskThatIsNotThereIsNamed() throws Exception {
    assertEquals(2, domus("run", "--kernel", goodImage().toString(), "--ramdisk", "/none"));
    assertTrue(err.toString().contains("/none: no such file"), err::toString);
  }

  @Test
  void listsAreTablesForPeopleAndJsonForPrograms() {
    assertEquals(0, domus("plugin", "list"));
    assertEquals(0, domus("plugin", "list", "--json"));
    assertEquals(0, domus("hypercalls", "--json"));
    assertEquals(
        """
        ID              VERSION  LOCATION  PROBLEM
        dev.domus.good  1.0      good.jar
        bad.jar                  bad.jar   is "no" zip file
        [ {
          "id" : "dev.domus.good",
          "version" : "1.0",
          "location" : "good.jar",
          "problem" : ""
        }, {
          "id" : "bad.jar",
          "version" : "",
          "location" : "bad.jar",
          "problem" : "is \\"no\\" zip file"
        } ]
        [ {
          "number" : 0,
          "name" : "set_trap_table",
          "subop" : "",
          "subop-name" : "",
          "state" : "done",
          "why" : ""
        }, {
          "number" : 17,
          "name" : "xen_version",
          "subop" : "10",
          "subop-name" : "build_id",
          "state" : "refused",
          "why" : "none"
        } ]
        """,
        out.toString());
  }

  @Test
  void aPluginsCommandReadsTheRestOfTheLineItself() {
    assertEquals(1, domus("sched", "echo", "--help", "-x", "a b", "--y=1"));
    assertEquals("--help|-x|a b|--y=1", out.toString().strip());
    assertEquals(0, domus("sched", "--help"));
    assertTrue(out.toString().matches("(?s).*\\becho +Print what follows\\..*"), out::toString);
  }

  @Test
  void aPluginsCommandTakesNoOthersPlaceAndOneWithoutAPlaceIsLeftOut() {
    assertEquals(0, domus("sched", "list"));
    assertTrue(out.toString().startsWith("NAME"), out::toString);
    assertEquals(2, domus("starship", "launch"));
    assertTrue(err.toString().contains("starship"), err::toString);
  }

  @Test
  void helpAndVersionAreOnStandardOutput() {
    assertEquals(0, domus("--help"));
    assertEquals(0, domus("run", "--help"));
    assertEquals(0, domus("--version"));
    String text = out.toString();
    assertTrue(text.contains("Exit statuses:"), text);
    assertTrue(text.contains("--ramdisk=FILE"), text);
    assertTrue(text.lines().toList().getLast().startsWith("domus "), text);
    assertEquals("", err.toString());
  }
}

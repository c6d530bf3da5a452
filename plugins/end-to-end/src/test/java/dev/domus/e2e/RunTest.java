package dev.domus.e2e;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code domus run}: what guests print, and the exit statuses that the help promises. */
@Timeout(180)
class RunTest {
  @TempDir private Path directory;

  @Test
  void helloPrintsAndPowersOffWithStatus0() throws Exception {
    try (DomusProcess domus = DomusProcess.start("run", "--kernel", DomusProcess.guest("hello"))) {
      domus.endInput();
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("hello"), domus::transcript);
    }
  }

  @Test
  void spinRunsAsLongAsItWasToldAndStatisticsAreOnStandardError() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("spin"), "--cmdline", "seconds=2", "--stats")) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("spin: total t=2."), domus::transcript);
      assertTrue(domus.out().contains("checksum="), domus::transcript);
      assertTrue(domus.err().contains(" MIPS"), domus::transcript);
      assertFalse(domus.out().contains(" MIPS"), domus::transcript);
    }
  }

  @Test
  void aGuestThatCrashesGivesStatus3AndAReport() throws Exception {
    try (DomusProcess domus = DomusProcess.start("run", "--kernel", TinyKernel.crash(directory))) {
      assertEquals(3, domus.await(60), domus::transcript);
      for (String part :
          List.of(
              "crash.elf crashed",
              "#UD",
              "<0000000000100000>",
              "<0f> 0b",
              "Page-table path",
              "L4[",
              "rsp")) {
        assertTrue(domus.err().contains(part), () -> "missing: " + part + domus.transcript());
      }
      assertEquals("", domus.out());
    }
  }

  @Test
  void aHypercallThatThereIsNotIsNamedAtTheEnd() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", TinyKernel.shutdown(directory, 0))) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertEquals("domus: answered -ENOSYS: tmem_op (1)", domus.err().strip(), domus::transcript);
    }
  }

  @Test
  void whatWasRefusedToWhomIsInTheStatistics() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", TinyKernel.usesTheMachinesConsole(directory), "--stats")) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains("domus: 1 refusals"), domus::transcript);
      assertTrue(
          domus.err().contains("              1  domain 1 may not use the console of the machine"),
          domus::transcript);
    }
  }

  @Test
  void anAccessPolicyFromAFileOfRulesHoldsForTheRun() throws Exception {
    Path rules = Files.writeString(directory.resolve("rules"), "1 console_io machine allow");
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            TinyKernel.usesTheMachinesConsole(directory),
            "--stats",
            "--policy",
            "rules:" + rules)) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains("domus: 0 refusals"), domus::transcript);
    }
  }

  @Test
  void badRulesAreAnsweredInOneLineWithStatus2() throws Exception {
    Path rules = Files.writeString(directory.resolve("rules"), "\n1 fly machine allow");
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("hello"), "--policy", "rules:" + rules)) {
      assertEquals(2, domus.await(60), domus::transcript);
      assertEquals(1, domus.err().lines().count(), domus::transcript);
      assertTrue(
          domus.err().startsWith("domus: --policy: " + rules + ":2: there is no operation \"fly\""),
          domus::transcript);
    }
  }

  @Test
  void schedulersParametersAndAffinitiesAreSetForTheRun() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("hello"),
            "--pcpus",
            "2",
            "--scheduler",
            "eevdf",
            "--sched-param",
            "run-queues=pcpu",
            "--vcpu-param",
            "slice=1000",
            "--cpus",
            "1")) {
      domus.endInput();
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("hello"), domus::transcript);
    }
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("hello"),
            "--scheduler",
            "rr",
            "--sched-param",
            "ratelimit=1")) {
      assertEquals(2, domus.await(60), domus::transcript);
      assertEquals(1, domus.err().lines().count(), domus::transcript);
      assertTrue(
          domus.err().startsWith("domus: --sched-param: scheduler rr has no parameter ratelimit"),
          domus::transcript);
    }
  }

  @Test
  void aSchedulerThatFallsIsReportedWithWhatWentBeforeAndComesBack() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run",
            "--kernel",
            DomusProcess.guest("spin"),
            "--cmdline",
            "seconds=3",
            "--scheduler",
            "chaos",
            "--swap",
            "1s=chaos:wrong-pick=1000000",
            "--swap",
            "2s=chaos")) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.out().contains("spin: total t=3."), domus::transcript);
      for (String part :
          List.of(
              "domus: pool Pool-0: scheduler chaos (dev.domus.sched.chaos/",
              " failed, it decided what it must not: ",
              "; the built-in round-robin took over\n",
              "domus: what went before, the latest last:\n  pCPU 0: ",
              "domus: pool Pool-0: scheduler last-resort swapped for chaos; 1 vCPUs handed over")) {
        assertTrue(domus.err().contains(part), () -> "missing: " + part + domus.transcript());
      }
      assertEquals(1, domus.err().split(" failed, ", -1).length - 1, domus::transcript);
    }
  }

  @Test
  void swapsThatCannotBeAreRefusedBeforeTheGuestStarts() throws Exception {
    for (String[] bad :
        new String[][] {
          {"2s", "write it like 1.5s=rr"},
          {"2=rr", "\"2\" is no time"},
          {"1s=fair", "there is no scheduler \"fair\"; there is "},
          {"1s=rr:cap=3", "scheduler rr has no parameter cap"}
        }) {
      try (DomusProcess domus =
          DomusProcess.start("run", "--kernel", DomusProcess.guest("hello"), "--swap", bad[0])) {
        assertEquals(2, domus.await(60), domus::transcript);
        assertEquals(1, domus.err().lines().count(), domus::transcript);
        assertTrue(domus.err().startsWith("domus: --swap: \"" + bad[0] + "\": "));
        assertTrue(domus.err().contains(bad[1]), domus::transcript);
        assertEquals("", domus.out());
      }
    }
  }

  @Test
  void aRebootEndsTheRunWithStatus0AndAWord() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", TinyKernel.shutdown(directory, 1))) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains("asked to be rebooted"), domus::transcript);
    }
  }

  @Test
  void aGuestThatShutsDownAsCrashedGivesStatus3() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", TinyKernel.shutdown(directory, 3))) {
      assertEquals(3, domus.await(60), domus::transcript);
    }
  }

  @Test
  void aGuestThatOverstaysItsTimeIsEndedWithStatus124() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", TinyKernel.loop(directory), "--timeout", "1")) {
      assertEquals(124, domus.await(60), domus::transcript);
    }
  }

  @Test
  void ctrlCAtAPipeEndsTheRunWithStatus130() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("spin"), "--cmdline", "period_ms=100")) {
      domus.awaitOutput("spin: t=", 60);
      domus.interrupt();
      assertEquals(130, domus.await(30), domus::transcript);
    }
  }

  @Test
  void sigtermEndsTheRunAsItEndsAnyProcess() throws Exception {
    try (DomusProcess domus =
        DomusProcess.start(
            "run", "--kernel", DomusProcess.guest("spin"), "--cmdline", "period_ms=100")) {
      domus.awaitOutput("spin: t=", 60);
      domus.terminate();
      assertEquals(143, domus.await(30), domus::transcript);
    }
  }

  @Test
  void badImagesAreAnsweredInOneLineWithStatus2() throws Exception {
    Path text = Files.writeString(directory.resolve("notes.txt"), "this is no kernel");
    try (DomusProcess domus = DomusProcess.start("run", "--kernel", text)) {
      assertEquals(2, domus.await(60), domus::transcript);
      assertEquals(1, domus.err().lines().count(), domus::transcript);
      assertTrue(
          domus.err().startsWith("domus: " + text + ": is not an ELF file"), domus::transcript);
    }
    try (DomusProcess domus =
        DomusProcess.start("run", "--kernel", DomusProcess.guest("hello"), "--memory", "1M")) {
      assertEquals(2, domus.await(60), domus::transcript);
      assertTrue(domus.err().contains("does not fit into 1 MiB of memory"), domus::transcript);
    }
  }

  @Test
  void aBrokenPluginIsNamedAndTheRestRuns() throws Exception {
    Path plugins = Files.createDirectory(directory.resolve("more-plugins"));
    Files.writeString(plugins.resolve("junk.jar"), "this is no archive");
    try (DomusProcess domus =
        DomusProcess.startWithPlugins(plugins, "run", "--kernel", DomusProcess.guest("hello"))) {
      assertEquals(0, domus.await(60), domus::transcript);
      assertEquals(1, domus.err().lines().count(), domus::transcript);
      assertTrue(domus.err().startsWith("domus: plugin junk.jar: "), domus::transcript);
      assertTrue(domus.out().contains("goodbye"), domus::transcript);
    }
  }
}

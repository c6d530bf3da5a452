package dev.domus.sched.simulator.workload;

import dev.domus.kernel.plugin.UsageException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;

/** Workloads that answer a question each, for pools of any size. */
public enum Preset {
  /** Whether shares go by weight. */
  SHARES(
      4,
      List.of(
          "cpu:name=weight 64,weight=64",
          "cpu:name=weight 128,weight=128",
          "cpu:name=weight 256,weight=256",
          "cpu:name=weight 512,weight=512",
          "cpu:name=weight 1024,weight=1024")),

  /** How soon those run who mostly sleep, beside those who never do. */
  LATENCY(4, List.of("io:name=i/o", "cpu:name=hogs", "io:name=i/o heavy,work=exp(1ms),weight=512")),

  /** Whether deadlines are kept beside work that has none. */
  REALTIME(
      4,
      List.of(
          "rt:name=5 ms,period=5ms,work=500us,rtds.period=5000,rtds.budget=600",
          "rt:name=20 ms,period=20ms,work=3ms,rtds.period=20000,rtds.budget=3200",
          "cpu:name=background,weight=64,rtds.period=100000,rtds.budget=1000")),

  /** What servers do when all are asked at once. */
  BURSTY(4, List.of("bursty:name=servers", "cpu:name=background,weight=64")),

  /** What a preempted holder of a lock costs, by how others wait. */
  LOCKS(
      3,
      List.of(
          "lock:name=blocking,waiting=block",
          "lock:name=spinning,waiting=spin",
          "lock:name=yielding,waiting=yield",
          "cpu:name=background,weight=64")),

  /** All of it together. */
  MIXED(
      8,
      List.of(
          "cpu:name=hogs,rtds.period=100000,rtds.budget=2000",
          "cpu:name=heavy hogs,weight=1024,rtds.period=100000,rtds.budget=2000",
          "io:name=i/o,rtds.period=100000,rtds.budget=2000",
          "rt:name=periodic,period=20ms,work=1ms,rtds.period=20000,rtds.budget=1500",
          "bursty:name=servers,rtds.period=100000,rtds.budget=2000",
          "lock:name=parallel,rtds.period=100000,rtds.budget=2000"));

  private final int vcpusPerPcpu;
  private final List<String> texts;

  Preset(int vcpusPerPcpu, List<String> texts) {
    this.vcpusPerPcpu = vcpusPerPcpu;
    this.texts = texts;
  }

  /** How many vCPUs it has on a pool, if the user says nothing. */
  public OptionalInt usualVcpus(int pcpus) {
    return OptionalInt.of(Math.min(vcpusPerPcpu * pcpus, WorkloadReader.MAX_VCPUS));
  }

  /**
   * Gives the workloads to a reader.
   *
   * @param schedulers the names of those there are; what is meant for others is left out
   */
  public void addTo(WorkloadReader reader, Set<String> schedulers) throws UsageException {
    for (String text : texts) {
      reader.addText(
          Arrays.stream(text.split(","))
              .filter(setting -> isFor(setting, schedulers))
              .collect(Collectors.joining(",")));
    }
  }

  private static boolean isFor(String setting, Set<String> schedulers) {
    String key = setting.substring(0, Math.max(0, setting.indexOf('=')));
    int dot = key.indexOf('.');
    return dot < 0 || schedulers.contains(key.substring(0, dot));
  }
}

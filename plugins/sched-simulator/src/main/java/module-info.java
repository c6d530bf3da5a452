/** Schedulers in virtual time, compared: {@code domus sched simulate}. */
module dev.domus.sched.simulator {
  requires dev.domus.kernel;
  requires info.picocli;
  requires java.management;
  requires tools.jackson.core;
  requires HdrHistogram;

  provides dev.domus.kernel.plugin.Subcommand with
      dev.domus.sched.simulator.SimulateSubcommand;

  // picocli fills in the fields of the command class.
  opens dev.domus.sched.simulator to
      info.picocli;
}

/** A scheduler that misbehaves when asked to. */
module dev.domus.sched.chaos {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.chaos.ChaosFactory;
}

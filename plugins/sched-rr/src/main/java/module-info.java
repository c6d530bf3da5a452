/** Round-robin scheduler. */
module dev.domus.sched.rr {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.rr.RoundRobinFactory;
}

/** One vCPU to a pCPU. */
module dev.domus.sched.nullsched {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.nullsched.NullFactory;
}

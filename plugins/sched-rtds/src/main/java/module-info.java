/** Real-time deferrable servers. */
module dev.domus.sched.rtds {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.rtds.RtdsFactory;
}

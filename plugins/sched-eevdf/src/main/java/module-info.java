/** Earliest eligible virtual deadline first. */
module dev.domus.sched.eevdf {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.eevdf.EevdfFactory;
}

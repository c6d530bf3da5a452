/** A fixed frame table. */
module dev.domus.sched.arinc653 {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.arinc653.Arinc653Factory;
}

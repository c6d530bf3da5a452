/** Credit2: weights, caps, and run queues that are balanced by load. */
module dev.domus.sched.credit2 {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.credit2.Credit2Factory;
}

/** Xen's credit scheduler: proportional share with weights and caps. */
module dev.domus.sched.credit {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      dev.domus.sched.credit.CreditFactory;
}

/** Xen's credit scheduler: proportional share with weights and caps. */
module dev.domus.sched.credit {
  requires dev.domus.kernel;
}

/** Round-robin scheduler. */
module dev.domus.sched.rr {
  requires dev.domus.kernel;
}

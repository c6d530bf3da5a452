/** The scheduler {@code @NAME@}. */
module @PACKAGE@ {
  requires dev.domus.kernel;

  provides dev.domus.kernel.sched.SchedulerFactory with
      @PACKAGE@.@CLASS@Factory;
}

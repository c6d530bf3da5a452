/** The console backend. */
module dev.domus.console {
  requires dev.domus.kernel;
}

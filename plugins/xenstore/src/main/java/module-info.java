/** The xenstore service. */
module dev.domus.xenstore {
  requires dev.domus.kernel;
}

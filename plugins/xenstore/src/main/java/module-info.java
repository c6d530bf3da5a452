/** The xenstore service. */
module dev.domus.xenstore {
  requires dev.domus.kernel;

  provides dev.domus.kernel.plugin.Service with
      dev.domus.xenstore.XenstoreService;
}

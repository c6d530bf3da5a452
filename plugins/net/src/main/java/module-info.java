/** The network backend. */
module dev.domus.net {
  requires dev.domus.kernel;

  provides dev.domus.kernel.plugin.Service with
      dev.domus.net.NetPlugin;
}

/** The console backend. */
module dev.domus.console {
  requires dev.domus.kernel;

  provides dev.domus.kernel.plugin.Service with
      dev.domus.console.ConsolePlugin;
}

/** The PCI backend. */
module dev.domus.pciback {
  requires dev.domus.kernel;

  provides dev.domus.kernel.plugin.Service with
      dev.domus.pciback.PcibackPlugin;
}

/** Modes of protection for DMA. */
module dev.domus.dma.modes {
  requires dev.domus.kernel;

  provides dev.domus.kernel.device.DmaModeFactory with
      dev.domus.dma.modes.DeferredFactory,
      dev.domus.dma.modes.ShadowFactory,
      dev.domus.dma.modes.PassthroughFactory;
}

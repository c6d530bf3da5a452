/** A modelled DMA engine. */
module dev.domus.dma {
  requires dev.domus.kernel;

  provides dev.domus.kernel.device.DeviceModel with
      dev.domus.dma.DmaModel;
}

/** A modelled NVMe controller. */
module dev.domus.nvme {
  requires dev.domus.kernel;

  provides dev.domus.kernel.device.DeviceModel with
      dev.domus.nvme.NvmeModel;
}

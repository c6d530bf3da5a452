package dev.domus.pciback;

import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreService;

/** The PCI backend of one machine, as the plugin host sees it. */
public final class PcibackPlugin implements Service {
  private Runnable stop = () -> {};

  /** Made by the plugin host. */
  public PcibackPlugin() {}

  @Override
  public String name() {
    return "pciback";
  }

  @Override
  public int order() {
    return 20;
  }

  /** Devices work by the host's time, but without devices there is nothing here to differ. */
  @Override
  public boolean repeatable() {
    return true;
  }

  @Override
  public synchronized void start(ServiceDomain domain) {
    StoreService store =
        domain
            .services()
            .find(StoreService.class)
            .orElseThrow(() ->
                new IllegalStateException(
                    "the PCI backend needs xenstore, and no plugin offers it"));
    PciBackend backend =
        new PciBackend(
            domain, store.connect(domain.domid()), new BusFunctions(domain.hypercalls()));
    backend.start();
    stop = backend::close;
  }

  @Override
  public synchronized void stop() {
    stop.run();
    stop = () -> {};
  }
}

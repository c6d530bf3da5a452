package dev.domus.net;

import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreService;

/** The network backend of one machine, as the plugin host sees it, in whichever domain it runs. */
public final class NetPlugin implements Service {
  private Runnable stop = () -> {};

  /** Made by the plugin host. */
  public NetPlugin() {}

  @Override
  public String name() {
    return "net";
  }

  @Override
  public int order() {
    return 20;
  }

  @Override
  public synchronized void start(ServiceDomain domain) {
    StoreService store =
        domain
            .services()
            .find(StoreService.class)
            .orElseThrow(() ->
                new IllegalStateException(
                    "the network backend needs xenstore, and no plugin offers it"));
    NetBackend backend = new NetBackend(domain, store.connect(domain.domid()));
    backend.start();
    stop = backend::close;
  }

  @Override
  public synchronized void stop() {
    stop.run();
    stop = () -> {};
  }
}

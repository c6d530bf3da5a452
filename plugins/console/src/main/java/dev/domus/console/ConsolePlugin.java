package dev.domus.console;

import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreService;

/** The console backend of one machine, as the plugin host sees it. */
public final class ConsolePlugin implements Service {
  private Runnable stop = () -> {};

  /** Made by the plugin host. */
  public ConsolePlugin() {}

  @Override
  public String name() {
    return "console";
  }

  @Override
  public int order() {
    return 10;
  }

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
                    "the console backend needs xenstore, and no plugin offers it"));
    ConsoleBackend backend = new ConsoleBackend(domain, store.connect(domain.domid()));
    backend.start();
    domain.services().publish(ConsoleService.class, backend);
    stop =
        () -> {
          domain.services().withdraw(ConsoleService.class, backend);
          backend.close();
        };
  }

  @Override
  public synchronized void stop() {
    stop.run();
    stop = () -> {};
  }
}

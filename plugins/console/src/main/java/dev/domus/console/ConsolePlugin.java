package dev.domus.console;

import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;

/** The console backend of one machine, as the plugin host sees it, in whichever domain it runs. */
public final class ConsolePlugin implements Service {
  private static final int DOMAIN_0 = 0;

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
    StoreConnection connection = store.connect(domain.domid());
    Guests guests =
        domain.domid() == DOMAIN_0
            ? new IntroducedGuests(connection, domain.hypercalls().control())
            : new AssignedGuests(connection, domain.domid());
    ConsoleBackend backend = new ConsoleBackend(domain, connection, guests);
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

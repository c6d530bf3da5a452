package dev.domus.kernel.servicedomain;

import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.StoreService;
import java.util.Optional;

/**
 * The services of a driver domain: its own, and the machine's xenstore under the domain's own
 * identity. Should xenstore itself run here, the machine is told of it.
 */
public final class DriverServices implements Services {
  private final int domid;
  private final Services machine;
  private final ServiceRegistry own = new ServiceRegistry();

  /**
   * Makes the services of a domain, of which there are none yet.
   *
   * @param machine domain 0's
   */
  public DriverServices(int domid, Services machine) {
    this.domid = domid;
    this.machine = machine;
  }

  @Override
  public <T> void publish(Class<T> type, T service) {
    own.publish(type, service);
    if (type == StoreService.class) {
      machine.publish(type, service);
    }
  }

  @Override
  public <T> void withdraw(Class<T> type, T service) {
    own.withdraw(type, service);
    if (type == StoreService.class) {
      machine.withdraw(type, service);
    }
  }

  @Override
  public <T> Optional<T> find(Class<T> type) {
    if (type == StoreService.class) {
      return machine.find(StoreService.class).map(store -> type.cast(asThisDomain(store)));
    }
    return own.find(type);
  }

  private StoreService asThisDomain(StoreService store) {
    return asked -> {
      if (asked != domid) {
        throw new StoreException(
            "EACCES", "domain " + domid + " cannot connect to xenstore as domain " + asked);
      }
      StoreConnection connection = store.connect(domid);
      return connection;
    };
  }
}

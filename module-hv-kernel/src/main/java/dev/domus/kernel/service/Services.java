package dev.domus.kernel.service;

import java.util.Optional;

/**
 * The services that plugins offer one another, by interface. The interfaces are the kernel's
 * ({@link StoreService}, {@link ConsoleService}), the implementations are plugins'. Each service
 * domain has services of its own; xenstore alone is seen from all, and from a driver domain as that
 * domain only. Thread-safe.
 */
public interface Services {
  /** Offers a service, replacing an earlier one of the same type. */
  <T> void publish(Class<T> type, T service);

  /** Withdraws a service if it is still the published one. */
  <T> void withdraw(Class<T> type, T service);

  /** Looks a service up. */
  <T> Optional<T> find(Class<T> type);
}

package dev.domus.kernel.servicedomain;

import dev.domus.kernel.service.Services;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** Published services by their interface. */
public final class ServiceRegistry implements Services {
  private final ConcurrentHashMap<Class<?>, Object> published = new ConcurrentHashMap<>();

  /** Makes an empty registry. */
  public ServiceRegistry() {}

  @Override
  public <T> void publish(Class<T> type, T service) {
    published.put(type, type.cast(service));
  }

  @Override
  public <T> void withdraw(Class<T> type, T service) {
    published.remove(type, service);
  }

  @Override
  public <T> Optional<T> find(Class<T> type) {
    return Optional.ofNullable(type.cast(published.get(type)));
  }
}

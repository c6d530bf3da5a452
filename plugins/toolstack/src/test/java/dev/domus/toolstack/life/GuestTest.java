package dev.domus.toolstack.life;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.Control;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Services;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreException;
import dev.domus.kernel.service.StoreService;
import dev.domus.kernel.service.Worker;
import dev.domus.kernel.trace.Trace;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.FakeControl;
import dev.domus.toolstack.image.TestImage;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class GuestTest {
  private final FakeControl control = new FakeControl(4096);
  private final List<String> storeCalls = new ArrayList<>();
  private String refused = "";
  private boolean withConsole = true;

  /**
   * A proxy that writes down what a store connection is asked for; the calls that return something
   * answer well.
   */
  private final StoreConnection store =
      (StoreConnection)
          Proxy.newProxyInstance(
              getClass().getClassLoader(),
              new Class<?>[] {StoreConnection.class},
              (proxy, method, arguments) -> {
                storeCalls.add(method.getName());
                if (method.getName().equals(refused)) {
                  throw new StoreException("EINVAL", refused);
                }
                return method.getReturnType() == int.class
                    ? (Object) 1
                    : method.getReturnType() == boolean.class ? true : null;
              });

  private final Services services =
      new Services() {
        @Override
        public <T> void publish(Class<T> type, T service) {}

        @Override
        public <T> void withdraw(Class<T> type, T service) {}

        @Override
        public <T> Optional<T> find(Class<T> type) {
          if (type == StoreService.class) {
            return Optional.of(type.cast((StoreService) domid -> store));
          }
          ConsoleService none = (domid, output) -> null;
          return withConsole ? Optional.of(type.cast(none)) : Optional.empty();
        }
      };

  private final Machine machine =
      new Machine() {
        @Override
        public ServiceDomain domain0() {
          return new ServiceDomain() {
            @Override
            public int domid() {
              return 0;
            }

            @Override
            public String name() {
              return "Domain-0";
            }

            @Override
            public Hypercalls hypercalls() {
              return hypercallsOf(control);
            }

            @Override
            public Worker worker(String name) {
              throw new AssertionError("no service runs here: worker=" + name);
            }

            @Override
            public Services services() {
              return services;
            }
          };
        }

        @Override
        public Trace trace() {
          throw new UnsupportedOperationException();
        }

        @Override
        public List<ServiceDomain> driverDomains() {
          return List.of();
        }

        @Override
        public Optional<ServiceDomain> domainOf(String service) {
          return Optional.of(domain0());
        }

        @Override
        public void close() {}
      };

  private static Hypercalls hypercallsOf(Control control) {
    return (Hypercalls)
        Proxy.newProxyInstance(
            Hypercalls.class.getClassLoader(),
            new Class<?>[] {Hypercalls.class},
            (proxy, method, arguments) -> control);
  }

  private Guest create() throws BadInputException {
    return Guest.create(
        machine,
        new GuestConfig(
            "guest",
            new UUID(1, 2),
            TestImage.good().read(),
            Optional.empty(),
            "",
            4096,
            1,
            "jvm",
            "Pool-0",
            256,
            0,
            false));
  }

  @Test
  void aGuestIsIntroducedWhenItsNodesAreThereAndReleasedWhenItIsDestroyed()
      throws BadInputException {
    try (Guest guest = create()) {
      assertEquals("guest", guest.name());
      assertEquals("introduce", storeCalls.getLast());
      assertTrue(storeCalls.indexOf("end") < storeCalls.indexOf("introduce"));
      assertTrue(control.exists());
    }
    assertFalse(control.exists());
    assertTrue(
        storeCalls.contains("release") && storeCalls.contains("remove"), storeCalls::toString);
    assertEquals("close", storeCalls.getLast());
  }

  @Test
  void aGuestThatTheStoreRefusesLeavesNothingBehind() {
    for (String call : List.of("introduce", "setPermissions", "begin")) {
      refused = call;
      assertThrows(StoreException.class, this::create);
      assertFalse(control.exists(), call);
      assertEquals("close", storeCalls.getLast(), call);
    }
  }

  @Test
  void aServiceThatNoPluginOffersIsNamedBeforeAnythingIsMade() {
    withConsole = false;
    BadInputException bad = assertThrows(BadInputException.class, this::create);
    assertTrue(bad.getMessage().contains("no plugin offers the console service"), bad.getMessage());
    assertEquals(List.of(), storeCalls);
  }
}

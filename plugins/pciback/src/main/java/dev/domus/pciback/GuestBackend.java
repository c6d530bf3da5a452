package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.StoreException;
import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.concurrent.Executor;

/**
 * The backend of one guest: follows the guest's end through its states, and answers its requests.
 *
 * <pre>
 *   backend          frontend
 *   1 Initialising   1                toolstack has made both
 *   3 Initialised    1                devices have places
 *                    3 Initialised    the guest has granted its page and allocated its port
 *   4 Connected      4 Connected      requests
 *   7 Reconfiguring                   toolstack: devices to add or to remove
 *                    7                the guest has let go of those to be removed
 *   8 Reconfigured   4                it looks at the bus again
 *   6 Closed         5, 6             the guest has closed its end, and may begin anew with 1
 * </pre>
 *
 * All methods are called by one worker.
 */
final class GuestBackend implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(GuestBackend.class.getName());
  private static final String MAGIC = "7";

  private final int guest;
  private final Hypercalls hypercalls;
  private final Executor worker;
  private final BackendNodes nodes;
  private final VirtualSlots slots = new VirtualSlots();
  private final Requests requests;
  private Optional<Link> link = Optional.empty();

  GuestBackend(
      int guest, Hypercalls hypercalls, Functions functions, Executor worker, BackendNodes nodes) {
    this.guest = guest;
    this.hypercalls = hypercalls;
    this.worker = worker;
    this.nodes = nodes;
    requests = new Requests(guest, functions, slots);
  }

  /** Something has changed in the store. */
  void look() {
    try {
      follow();
    } catch (StoreException gone) {
      LOG.log(Level.DEBUG, "the nodes of domain {0} have gone: {1}", guest, gone.getMessage());
    }
  }

  private void follow() {
    BusState own = nodes.state();
    switch (nodes.frontendState()) {
      case INITIALISING, UNKNOWN -> {
        if (own == BusState.INITIALISING || own == BusState.CLOSED) {
          disconnect();
          placeDevices();
          nodes.publishRoots();
          nodes.setState(BusState.INITIALISED);
        }
      }
      case INITIALISED -> {
        if (link.isEmpty() && own != BusState.CLOSING && connect()) {
          placeDevices();
          nodes.publishRoots();
          nodes.setState(BusState.CONNECTED);
        }
      }
      case CONNECTED -> {
        if (own == BusState.RECONFIGURED) {
          nodes.setState(BusState.CONNECTED);
        }
      }
      case RECONFIGURING -> {
        if (own == BusState.RECONFIGURING) {
          removeDevices();
          placeDevices();
          nodes.setState(BusState.RECONFIGURED);
        }
      }
      case CLOSING -> {
        if (own != BusState.CLOSING && own != BusState.CLOSED) {
          nodes.setState(BusState.CLOSING);
        }
      }
      case CLOSED -> {
        disconnect();
        if (own != BusState.CLOSED) {
          nodes.setState(BusState.CLOSED);
        }
      }
      case INIT_WAIT, RECONFIGURED -> {}
    }
  }

  private void placeDevices() {
    for (BackendNodes.Listed device : nodes.devices()) {
      if (device.state() == BusState.INITIALISING || device.state() == BusState.UNKNOWN) {
        place(device);
      }
    }
  }

  private void place(BackendNodes.Listed device) {
    Optional<Integer> slot = device.function().flatMap(slots::add);
    if (slot.isPresent()) {
      nodes.added(device.number(), slot.get());
    } else {
      LOG.log(
          Level.WARNING,
          "device {0} of domain {1} has no place: dev-{0} is not of the form 0000:bb:dd.f, or there are {2} already",
          device.number(),
          guest,
          RequesterId.DEVICES);
    }
  }

  private void removeDevices() {
    for (BackendNodes.Listed device : nodes.devices()) {
      if (device.state() == BusState.CLOSING && device.function().isPresent()) {
        requests.disable(device.function().get());
        slots.remove(device.function().get());
        nodes.removed(device.number());
      }
    }
  }

  private boolean connect() {
    Optional<Integer> ref = nodes.frontendNumber("pci-op-ref");
    Optional<Integer> port = nodes.frontendNumber("event-channel");
    if (ref.isEmpty() || port.isEmpty() || !nodes.magic().equals(Optional.of(MAGIC))) {
      LOG.log(
          Level.WARNING,
          "domain {0} has said it is ready for PCI without pci-op-ref, event-channel or magic={1}: pci-op-ref={2} event-channel={3} magic={4}",
          guest,
          MAGIC,
          ref.map(Object::toString).orElse(""),
          port.map(Object::toString).orElse(""),
          nodes.magic().orElse(""));
      return false;
    }
    GrantMapping mapping;
    try {
      mapping = hypercalls.mapGrant(guest, ref.get(), true);
    } catch (HypercallException refused) {
      LOG.log(Level.WARNING, "no PCI for domain {0}: {1}", guest, refused.getMessage());
      return false;
    }
    try {
      EventPort bound =
          hypercalls.bindInterdomain(guest, port.get(), () -> worker.execute(this::serve));
      link = Optional.of(new Link(mapping, bound));
      return true;
    } catch (HypercallException refused) {
      mapping.close();
      LOG.log(Level.WARNING, "no PCI for domain {0}: {1}", guest, refused.getMessage());
      return false;
    }
  }

  private void serve() {
    if (link.isPresent() && requests.serve(link.get().mapping().window())) {
      link.get().port().send();
    }
  }

  private void disconnect() {
    link.ifPresent(Link::close);
    link = Optional.empty();
    requests.disableAll();
  }

  /** The guest has gone, or the backend ends. */
  @Override
  public void close() {
    disconnect();
  }
}

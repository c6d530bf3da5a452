package dev.domus.toolstack.life;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.plugin.Machine;
import dev.domus.kernel.plugin.VirtualTime;
import dev.domus.kernel.service.ConsoleService;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.build.BuiltDomain;
import dev.domus.toolstack.build.DomainBuilder;
import java.util.List;

/**
 * A guest domain as the toolstack holds it. It is created paused, so that a console can be attached
 * before its first instruction.
 *
 * <p>Order at creation: built, entered in xenstore, introduced to the store's daemon (which then
 * serves its ring, and by that the console's daemon learns of it). Either may run in a driver
 * domain: its id is then in the guest's grants, ports and nodes, and domain 0 has no part in what
 * they say to each other. At the end the reverse: destroyed first, so that nothing of it runs while
 * its nodes go.
 */
public final class Guest implements AutoCloseable {
  private final Control control;
  private final ConsoleService consoles;
  private final StoreConnection store;
  private final StoreNodes nodes;
  private final GuestDevices devices;
  private final PvDevices pvDevices;
  private final Machine machine;
  private final int domid;
  private final String name;

  private Guest(
      Machine machine,
      Control control,
      ConsoleService consoles,
      StoreConnection store,
      StoreNodes nodes,
      int domid,
      String name) {
    this.machine = machine;
    this.control = control;
    this.consoles = consoles;
    this.store = store;
    this.nodes = nodes;
    this.domid = domid;
    this.name = name;
    devices = new GuestDevices(control, store, domid, name);
    pvDevices = new PvDevices(store, domid, name);
  }

  /**
   * Creates a guest, paused.
   *
   * @throws BadInputException if image, ramdisk, command line and memory do not go together
   */
  public static Guest create(Machine machine, GuestConfig config) throws BadInputException {
    ServiceDomain domain0 = machine.domain0();
    ServiceDomain storeDomain = domainOf(machine, "xenstore");
    ServiceDomain consoleDomain = domainOf(machine, "console");
    StoreService storeService = service(domain0, StoreService.class, "xenstore");
    ConsoleService consoles = service(consoleDomain, ConsoleService.class, "console");
    Control control = domain0.hypercalls().control();
    StoreConnection store = storeService.connect(domain0.domid());
    try {
      BuiltDomain built =
          new DomainBuilder(control, consoleDomain.domid(), storeDomain.domid())
              .build(config.image(), config.ramdisk(), config.commandLine(), config.spec());
      StoreNodes nodes = new StoreNodes(store, built.domid(), config, consoleDomain);
      try {
        nodes.write(config, built);
        store.introduce(built.domid(), built.storeMfn(), built.storePort());
      } catch (RuntimeException e) {
        undo(e, () -> control.destroyDomain(built.domid()));
        undo(e, nodes::remove);
        throw e;
      }
      machine.virtualTime().ifPresent(VirtualTime::settle); // services have heard of it
      return new Guest(machine, control, consoles, store, nodes, built.domid(), config.name());
    } catch (BadInputException | RuntimeException e) {
      store.close();
      throw e;
    }
  }

  private static void undo(RuntimeException failure, Runnable step) {
    try {
      step.run();
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  private static ServiceDomain domainOf(Machine machine, String service) throws BadInputException {
    return machine.domainOf(service).orElseThrow(() -> missing(service));
  }

  private static <T> T service(ServiceDomain domain, Class<T> type, String name)
      throws BadInputException {
    return domain.services().find(type).orElseThrow(() -> missing(name));
  }

  private static BadInputException missing(String service) {
    return missing(service, "every guest needs");
  }

  private static BadInputException missing(String service, String whoNeedsIt) {
    return new BadInputException(
        "no plugin offers the %s service, which %s; \"domus plugin list\" shows what was found"
            .formatted(service, whoNeedsIt));
  }

  /** Its domain id. */
  public int domid() {
    return domid;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** Lets it run. */
  public void unpause() {
    control.unpause(domid);
  }

  /** Keeps it from running. */
  public void pause() {
    control.pause(domid);
  }

  /**
   * Gives it a PCI device, whether or not it runs.
   *
   * @throws BadInputException if the machine has none there
   * @throws dev.domus.kernel.service.HypercallException if the device is somebody's, or has failed
   */
  public void attachDevice(RequesterId id) throws BadInputException {
    if (machine.domainOf("pciback").isEmpty()) {
      throw missing("pciback", "a guest with PCI devices needs");
    }
    devices.attach(id);
  }

  /**
   * Takes a PCI device back: when the guest has let go of it, or after some seconds.
   *
   * @throws BadInputException if the guest does not have it
   */
  public void detachDevice(RequesterId id) throws BadInputException, InterruptedException {
    devices.detach(id);
  }

  /**
   * Gives it a paravirtualized device, whether or not it runs. Returns when the backend is ready
   * for it.
   *
   * @throws BadInputException if it has one of that number, or the backend cannot serve it
   */
  public void attach(PvDevice device) throws BadInputException, InterruptedException {
    ServiceDomain backend =
        machine
            .domainOf(device.service())
            .orElseThrow(() ->
                missing(device.service(), "a guest with a " + device.kind() + " device needs"));
    pvDevices.attach(device, backend);
  }

  /**
   * Takes a paravirtualized device back.
   *
   * @param force whether it is taken from a guest that does not let go of it within some seconds
   * @throws BadInputException if it has no such device, or keeps it
   */
  public void detach(String kind, int devid, boolean force)
      throws BadInputException, InterruptedException {
    pvDevices.detach(kind, devid, force);
  }

  /** Its paravirtualized devices, in the order in which it got them. */
  public List<PvDevice> pvDevices() {
    return pvDevices.list();
  }

  /** Attaches to its console. */
  public ConsoleService.Attachment attach(ConsoleService.Output output) {
    return consoles.attach(domid, output);
  }

  /** What it is doing. */
  public DomainInfo info() {
    return control
        .domain(domid)
        .orElseThrow(() -> new IllegalStateException("domain has gone: domid=" + domid));
  }

  /** The control interface that it is controlled through. */
  public Control control() {
    return control;
  }

  /** Destroys it and removes what xenstore has of it; a second call is an error. */
  @Override
  public void close() {
    try (store) {
      control.destroyDomain(domid);
      store.release(domid);
      pvDevices.close();
      nodes.remove();
      devices.removeNodes();
    }
  }
}

package dev.domus.kernel.pci;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.Device;
import dev.domus.kernel.device.DeviceException;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DeviceOption;
import dev.domus.kernel.host.Faults;
import dev.domus.kernel.io.IoSpace;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The machine's PCI segment, 0000: its functions by requester id. Functions are plugged in and
 * unplugged while guests run. Thread-safe.
 */
public final class PciBus implements AutoCloseable {
  private static final long WATCH_MILLIS = 100;

  private final BarSpace space;
  private final Function<RequesterId, FunctionDma> dma;
  private final Patience patience;
  private final Consumer<PciFunction> onFailure;
  private final ConcurrentSkipListMap<RequesterId, PciFunction> functions =
      new ConcurrentSkipListMap<>();
  private ScheduledExecutorService watch;

  /**
   * Makes a bus without functions.
   *
   * @param memory where regions are placed
   * @param dma makes what a function reaches of memory, or throws an {@link IllegalStateException}
   *     if there is no memory for it
   * @param patience with devices
   * @param onFailure told of each function that fails, on any thread; must not wait
   */
  public PciBus(
      IoSpace memory,
      Function<RequesterId, FunctionDma> dma,
      Patience patience,
      Consumer<PciFunction> onFailure) {
    space = new BarSpace(memory);
    this.dma = dma;
    this.patience = patience;
    this.onFailure = onFailure;
  }

  /** The functions, by requester id. */
  public Collection<PciFunction> functions() {
    return List.copyOf(functions.values());
  }

  /** The function of a requester id. */
  public Optional<PciFunction> function(RequesterId id) {
    return Optional.ofNullable(functions.get(id));
  }

  /**
   * Makes a function and puts it on the bus.
   *
   * @param options name to text
   * @throws DeviceException with a message for the operator: the place is taken, an option is
   *     unknown, missing or wrong, or the device does not start
   */
  public synchronized PciFunction plug(
      RequesterId id, DeviceModel model, Map<String, String> options) throws DeviceException {
    if (functions.containsKey(id)) {
      throw new DeviceException(
          "there is a device at %s already (%s); give another address"
              .formatted(id, functions.get(id).model()));
    }
    Device device = make(model, options);
    FunctionDma reach;
    try {
      reach = dma.apply(id);
    } catch (IllegalStateException noMemory) {
      device.close();
      throw new DeviceException(noMemory.getMessage());
    }
    PciFunction function;
    try {
      function = new PciFunction(id, model.name(), device, reach, patience, onFailure);
    } catch (RuntimeException | LinkageError fault) {
      device.close();
      reach.close();
      throw failed(model, fault);
    }
    if (!function.plug(space)) {
      String reason =
          function.state() instanceof FunctionState.Failed f ? f.reason() : "it is gone";
      function.unplug();
      throw new DeviceException(
          "device %s at %s does not start: %s".formatted(model.name(), id, reason));
    }
    functions.put(id, function);
    if (watch == null) {
      watch =
          Executors.newSingleThreadScheduledExecutor(
              Thread.ofPlatform().daemon().name("pci-watch").factory());
      watch.scheduleWithFixedDelay(this::watch, WATCH_MILLIS, WATCH_MILLIS, TimeUnit.MILLISECONDS);
    }
    return function;
  }

  private static Device make(DeviceModel model, Map<String, String> given) throws DeviceException {
    try {
      return model.create(withDefaults(model, given));
    } catch (RuntimeException | LinkageError fault) { // a plugin's fault: the rest runs
      throw failed(model, fault);
    }
  }

  private static DeviceException failed(DeviceModel model, Throwable fault) {
    return new DeviceException(
        "device %s cannot be made: %s".formatted(model.name(), Faults.inOneLine(fault)), fault);
  }

  private static Map<String, String> withDefaults(DeviceModel model, Map<String, String> given)
      throws DeviceException {
    Map<String, String> all = new TreeMap<>();
    for (DeviceOption option : model.options()) {
      String text = given.get(option.name());
      if (text == null && option.defaultText().isEmpty()) {
        throw new DeviceException(
            "device %s needs option %s=%s (%s)"
                .formatted(model.name(), option.name(), option.form(), option.description()));
      }
      all.put(option.name(), text != null ? text : option.defaultText().orElseThrow());
    }
    for (String name : given.keySet()) {
      if (!all.containsKey(name)) {
        throw new DeviceException(
            "device %s has no option %s; it has: %s"
                .formatted(
                    model.name(),
                    name,
                    all.isEmpty()
                        ? "none"
                        : all.keySet().stream().sorted().collect(Collectors.joining(", "))));
      }
    }
    return all;
  }

  /**
   * Takes a function off the bus, whoever has it.
   *
   * @return false if there is none
   */
  public synchronized boolean unplug(RequesterId id) {
    PciFunction function = functions.remove(id);
    if (function == null) {
      return false;
    }
    function.unplug();
    return true;
  }

  /** What a domain has. */
  public List<PciFunction> assignedTo(int domid) {
    return functions.values().stream().filter(function -> owner(function) == domid).toList();
  }

  private static int owner(PciFunction function) {
    return switch (function.state()) {
      case FunctionState.Assigned assigned -> assigned.domid();
      case FunctionState.Failed failed -> failed.domid();
      case FunctionState.Unassigned none -> -1;
      case FunctionState.Unplugged none -> -1;
    };
  }

  private void watch() {
    functions.values().forEach(PciFunction::watch);
  }

  /** Unplugs everything. */
  @Override
  public synchronized void close() {
    functions.values().forEach(PciFunction::unplug);
    functions.clear();
    if (watch != null) {
      watch.shutdownNow();
    }
  }
}

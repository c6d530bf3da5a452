package dev.domus.kernel.host;

import dev.domus.kernel.access.AccessPolicyFactory;
import dev.domus.kernel.device.DeviceModel;
import dev.domus.kernel.device.DmaModeFactory;
import dev.domus.kernel.driver.Drivers;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.plugin.Host.DeviceModelInfo;
import dev.domus.kernel.plugin.Host.NamedPart;
import dev.domus.kernel.plugin.Host.ParameterInfo;
import dev.domus.kernel.plugin.Service;
import dev.domus.kernel.sched.SchedParameter;
import dev.domus.kernel.sched.SchedulerFactory;
import dev.domus.kernel.xsm.AccessControl;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The engines, schedulers, access policies, device models, DMA modes and services of the plugins in
 * use, by name and in order. Of two with one name the first is taken; the plugin of the second is
 * told so in its {@link Candidate}, and so is one whose part throws when it is asked what it is.
 */
final class Parts {
  /** It runs on every host, so it comes first where nobody has chosen another. */
  private static final String DEFAULT_ENGINE = "jvm";

  private final LinkedHashMap<String, Engine> engines = new LinkedHashMap<>();
  private final LinkedHashMap<String, SchedulerFactory> schedulers = new LinkedHashMap<>();
  private final LinkedHashMap<String, AccessPolicyFactory> policies = new LinkedHashMap<>();
  private final LinkedHashMap<String, DeviceModel> models = new LinkedHashMap<>();
  private final List<DeviceModelInfo> modelInfos = new ArrayList<>();
  private final LinkedHashMap<String, DmaModeFactory> dmaModes = new LinkedHashMap<>();
  private final List<NamedPart> dmaModeNames = new ArrayList<>();
  private final List<NamedPart> engineNames = new ArrayList<>();
  private final List<NamedPart> schedulerNames = new ArrayList<>();
  private final List<ParameterInfo> schedulerParameters = new ArrayList<>();
  private final List<NamedPart> policyNames = new ArrayList<>();
  private final List<Ordered> services = new ArrayList<>();
  private final List<String> unusable = new ArrayList<>();

  private record Ordered(int order, Service service) {}

  /** Asks every extension of every plugin in use what it is. */
  Parts(LayerPluginManager plugins) {
    policyNames.add(
        new NamedPart(
            AccessControl.BUILT_IN,
            "domain 0 and privileged domains may; others may do to themselves"));
    dmaModeNames.add(new NamedPart(Drivers.STRICT, Drivers.STRICT_DESCRIPTION));
    for (Candidate plugin : plugins.catalogue().all()) {
      plugin.clearRemarks();
      if (!plugin.isBroken()) {
        for (Engine engine : plugins.getExtensions(Engine.class, plugin.id())) {
          ask(plugin, engine, () -> add(plugin, engine));
        }
        for (SchedulerFactory factory :
            plugins.getExtensions(SchedulerFactory.class, plugin.id())) {
          ask(plugin, factory, () -> add(plugin, factory));
        }
        for (AccessPolicyFactory factory :
            plugins.getExtensions(AccessPolicyFactory.class, plugin.id())) {
          ask(plugin, factory, () -> add(plugin, factory));
        }
        for (DeviceModel model : plugins.getExtensions(DeviceModel.class, plugin.id())) {
          ask(plugin, model, () -> add(plugin, model));
        }
        for (DmaModeFactory factory : plugins.getExtensions(DmaModeFactory.class, plugin.id())) {
          ask(plugin, factory, () -> add(plugin, factory));
        }
        for (Service service : plugins.getExtensions(Service.class, plugin.id())) {
          ask(plugin, service, () -> services.add(new Ordered(service.order(), service)));
        }
      }
    }
    Engine standard = engines.get(DEFAULT_ENGINE);
    if (standard != null) {
      engines.putFirst(DEFAULT_ENGINE, standard);
      engineNames.sort(Comparator.comparing(part -> !part.name().equals(DEFAULT_ENGINE)));
    }
    services.sort(
        Comparator.comparingInt(Ordered::order)); // stable: else in the order of the plugins
  }

  /** Engines that this host can run, the default first. */
  Map<String, Engine> engines() {
    return Collections.unmodifiableMap(engines);
  }

  /** Schedulers in the order of their plugins. */
  Map<String, SchedulerFactory> schedulers() {
    return Collections.unmodifiableMap(schedulers);
  }

  /** Access policies in the order of their plugins, without the built-in one. */
  Map<String, AccessPolicyFactory> policies() {
    return Collections.unmodifiableMap(policies);
  }

  /** Device models in the order of their plugins. */
  Map<String, DeviceModel> models() {
    return Collections.unmodifiableMap(models);
  }

  /** The device models, for listings. */
  List<DeviceModelInfo> modelInfos() {
    return List.copyOf(modelInfos);
  }

  /** Modes of protection for DMA in the order of their plugins, without the built-in one. */
  Map<String, DmaModeFactory> dmaModes() {
    return Collections.unmodifiableMap(dmaModes);
  }

  /** The modes with the built-in one, for listings. */
  List<NamedPart> dmaModeNames() {
    return List.copyOf(dmaModeNames);
  }

  /** Services in the order in which they start. */
  List<Service> services() {
    List<Service> inOrder = new ArrayList<>();
    for (Ordered ordered : services) {
      inOrder.add(ordered.service);
    }
    return inOrder;
  }

  /** The engines, for listings. */
  List<NamedPart> engineNames() {
    return List.copyOf(engineNames);
  }

  /** The schedulers, for listings. */
  List<NamedPart> schedulerNames() {
    return List.copyOf(schedulerNames);
  }

  /** What the schedulers declare, for listings. */
  List<ParameterInfo> schedulerParameters() {
    return List.copyOf(schedulerParameters);
  }

  /** The access policies with the built-in one, for listings. */
  List<NamedPart> policyNames() {
    return List.copyOf(policyNames);
  }

  /** Engines that this host cannot run: {@code name: reason}. */
  List<String> unusable() {
    return List.copyOf(unusable);
  }

  private void add(Candidate plugin, Engine engine) {
    NamedPart part = new NamedPart(engine.name(), engine.description());
    Optional<String> reason = engine.unusableBecause();
    if (reason.isPresent()) {
      unusable.add(part.name() + ": " + reason.get());
      plugin.remark("engine %s cannot run on this host: %s".formatted(part.name(), reason.get()));
    } else if (addFirst("engine", engines, part.name(), engine, plugin)) {
      engineNames.add(part);
    }
  }

  private void add(Candidate plugin, SchedulerFactory factory) {
    NamedPart part = new NamedPart(factory.name(), factory.description());
    List<ParameterInfo> parameters = new ArrayList<>();
    for (SchedParameter parameter : factory.parameters()) {
      parameters.add(ParameterInfo.of(part.name(), "pool", parameter));
    }
    for (SchedParameter parameter : factory.unitParameters()) {
      parameters.add(ParameterInfo.of(part.name(), "vcpu", parameter));
    }
    if (addFirst("scheduler", schedulers, part.name(), factory, plugin)) {
      schedulerNames.add(part);
      schedulerParameters.addAll(parameters);
    }
  }

  private void add(Candidate plugin, AccessPolicyFactory factory) {
    NamedPart part = new NamedPart(factory.name(), factory.description());
    if (part.name().equals(AccessControl.BUILT_IN)) {
      plugin.fault(
          "its access policy %s is not in use, because the built-in one has that name; rename it"
              .formatted(part.name()));
    } else if (addFirst("access policy", policies, part.name(), factory, plugin)) {
      policyNames.add(part);
    }
  }

  private void add(Candidate plugin, DeviceModel model) {
    DeviceModelInfo info =
        new DeviceModelInfo(model.name(), model.description(), List.copyOf(model.options()));
    if (addFirst("device model", models, info.name(), model, plugin)) {
      modelInfos.add(info);
    }
  }

  private void add(Candidate plugin, DmaModeFactory factory) {
    NamedPart part = new NamedPart(factory.name(), factory.description());
    if (part.name().equals(Drivers.STRICT)) {
      plugin.fault(
          "its DMA mode %s is not in use, because the built-in one has that name; rename it"
              .formatted(part.name()));
    } else if (addFirst("DMA mode", dmaModes, part.name(), factory, plugin)) {
      dmaModeNames.add(part);
    }
  }

  private static <T> boolean addFirst(
      String kind, Map<String, T> parts, String name, T part, Candidate plugin) {
    T first = parts.putIfAbsent(name, part);
    if (first != null) {
      plugin.fault(
          "its %s %s is not in use, because module %s comes first with one of that name; remove one"
              .formatted(kind, name, first.getClass().getModule().getName()));
    }
    return first == null;
  }

  /** Calls into a plugin; what it throws is noted at the plugin, whose other parts stay in use. */
  private static void ask(Candidate plugin, Object part, Runnable question) {
    try {
      question.run();
    } catch (Throwable fault) { // of a plugin: whatever it is, the rest runs
      Faults.rethrowIfOurs(fault);
      plugin.fault(
          "its %s is not in use, because it fails when it is asked what it is: %s; mend it or remove it"
              .formatted(part.getClass().getName(), Faults.inOneLine(fault)));
    }
  }
}

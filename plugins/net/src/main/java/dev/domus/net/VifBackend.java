package dev.domus.net;

import dev.domus.kernel.service.EventPort;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.PortStatus;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.StoreException;
import dev.domus.memory.WindowRevokedException;
import dev.domus.net.capture.Capture;
import dev.domus.net.capture.PcapngCapture;
import dev.domus.net.netif.BadRingException;
import dev.domus.net.netif.ControlRing;
import dev.domus.net.packet.Uplink;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;

/**
 * Follows one interface through its states.
 *
 * <pre>
 *   backend          frontend
 *   1 Initialising   1                the toolstack has made both
 *   2 InitWait       1                plugged in (hotplug-status), features written
 *                    4 Connected      the driver has granted its rings and allocated its ports
 *   4 Connected      4                packets
 *   5 Closing        5                the driver closes its end
 *   6 Closed         6                and may begin anew with 1, unless online is 0
 * </pre>
 *
 * <p>Where both ends are connected when the backend begins, an earlier one has gone without a word
 * to the driver (the plugin was reloaded, or crashed): the rings are taken as they are, and traffic
 * goes on.
 *
 * <p>All methods are called by the control worker.
 */
final class VifBackend implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(VifBackend.class.getName());
  private static final long BURST_MICROS = 50_000;
  private static final long LEAST_BURST = 1514;

  private final ServiceDomain domain;
  private final VifNodes nodes;
  private final Uplinks uplinks;
  private final List<QueueWorker> workers;
  private final ScheduledExecutorService timer;
  private final String label;
  private final Vif vif;
  private Optional<Uplink> uplink = Optional.empty();
  private Optional<Capture> capture = Optional.empty();
  private String captureFile = "";
  private String rate = "";
  private boolean failed;
  private Optional<EventPort> port = Optional.empty();
  private Optional<Control> control = Optional.empty();

  /** A control ring that is served. */
  private record Control(GrantMapping page, EventPort port) implements AutoCloseable {
    @Override
    public void close() {
      port.close();
      page.close();
    }
  }

  VifBackend(
      ServiceDomain domain,
      VifNodes nodes,
      Uplinks uplinks,
      List<QueueWorker> workers,
      ScheduledExecutorService timer) {
    this.domain = domain;
    this.nodes = nodes;
    this.uplinks = uplinks;
    this.workers = workers;
    this.timer = timer;
    label = nodes.label();
    vif = new Vif(nodes.guest(), label, timer);
  }

  /** Something has changed in the store. */
  void look() {
    try {
      follow();
    } catch (StoreException gone) {
      LOG.log(Level.DEBUG, "the nodes of {0} have gone: {1}", label, gone.getMessage());
    }
  }

  private void follow() {
    BusState own = nodes.state();
    if (!nodes.online() && own == BusState.CLOSING) {
      closeForGood();
      return;
    }
    if (own == BusState.CLOSED && !nodes.online() || failed || !plugIn()) {
      return;
    }
    applyChanges();
    switch (nodes.frontendState()) {
      case INITIALISING, UNKNOWN -> {
        if (own != BusState.INIT_WAIT) {
          disconnect();
          offerFeatures();
          nodes.setState(BusState.INIT_WAIT);
        }
      }
      case INITIALISED, CONNECTED -> {
        boolean going = own == BusState.INIT_WAIT || own == BusState.CONNECTED;
        if (going && port.isEmpty() && connect() && own != BusState.CONNECTED) {
          nodes.setState(BusState.CONNECTED);
        }
      }
      case CLOSING -> {
        disconnect();
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
      case INIT_WAIT -> {}
    }
  }

  /** The toolstack takes the interface away: when the driver has let go, or nobody can any more. */
  private void closeForGood() {
    BusState its = nodes.frontendState();
    if (port.isEmpty() || its == BusState.CLOSING || its == BusState.CLOSED || hasGone()) {
      close();
      nodes.setState(BusState.CLOSED);
    }
  }

  /** Whether the guest is no more there: its end of the event channel has been closed. */
  private boolean hasGone() {
    try {
      return port.isEmpty()
          || domain.hypercalls().portStatus(domain.domid(), port.get().port()).state()
              != PortStatus.INTERDOMAIN;
    } catch (HypercallException gone) {
      return true;
    }
  }

  private boolean plugIn() {
    if (uplink.isPresent()) {
      return true;
    }
    try {
      openCapture();
      Uplink opened = uplinks.open(nodes, vif);
      vif.plug(opened);
      uplink = Optional.of(opened);
      nodes.write("hotplug-status", "connected");
      return true;
    } catch (UplinkException refused) {
      failed = true;
      nodes.write("hotplug-error", refused.getMessage());
      nodes.write("hotplug-status", "error");
      return false;
    }
  }

  private void openCapture() throws UplinkException {
    String wanted = nodes.own("pcap").orElse("");
    if (wanted.equals(captureFile)) {
      return;
    }
    vif.setCapture(Capture.NONE);
    capture.ifPresent(Capture::close);
    capture = Optional.empty();
    captureFile = wanted;
    if (wanted.isEmpty()) {
      return;
    }
    String name = nodes.own("vifname").orElse("vif%d.%d".formatted(nodes.guest(), nodes.devid()));
    try {
      Capture opened = new PcapngCapture(Path.of(wanted), name, label, timer);
      capture = Optional.of(opened);
      vif.setCapture(opened);
    } catch (IOException e) {
      throw new UplinkException(
          "%s: pcap=%s cannot be written (%s); name a file in a directory that is there and writable"
              .formatted(label, wanted, e.getMessage()));
    }
  }

  /** What can be changed while the interface is in use: capture, limit, link. */
  private void applyChanges() {
    vif.setLink(!nodes.own("link").equals(Optional.of("down")));
    try {
      openCapture();
    } catch (UplinkException refused) {
      LOG.log(Level.WARNING, refused.getMessage());
    }
    String wanted = nodes.own("rate").orElse("");
    if (!wanted.equals(rate)) {
      rate = wanted;
      setRate();
    }
  }

  /** The node is as libxl writes it: bytes, and the microseconds in which they may be sent. */
  private void setRate() {
    String[] parts = rate.split(",", -1);
    try {
      long bytes = rate.isEmpty() ? 0 : Long.parseLong(parts[0]);
      long micros = parts.length > 1 ? Long.parseLong(parts[1]) : BURST_MICROS;
      if (bytes <= 0 || micros <= 0) {
        vif.setLimit(0, 0);
        return;
      }
      long perSecond = Math.max(1, (long) ((double) bytes * 1_000_000 / micros));
      vif.setLimit(perSecond, Math.max(bytes, LEAST_BURST));
    } catch (NumberFormatException e) {
      vif.setLimit(0, 0);
      LOG.log(
          Level.WARNING, "{0}: rate={1} is not BYTES,MICROSECONDS; there is no limit", label, rate);
    }
  }

  private void offerFeatures() {
    for (String feature :
        List.of(
            "feature-rx-copy",
            "feature-sg",
            "feature-gso-tcpv4",
            "feature-gso-tcpv6",
            "feature-ipv6-csum-offload",
            "feature-split-event-channels",
            "feature-multicast-control",
            "feature-ctrl-ring")) {
      nodes.write(feature, "1");
    }
    nodes.write("feature-rx-flip", "0");
    nodes.write("multi-queue-max-queues", "" + FrontendFeatures.MAX_QUEUES);
  }

  private boolean connect() {
    Hypercalls hypercalls = domain.hypercalls();
    VifQueue[] queues = {};
    int opened = 0;
    try {
      FrontendFeatures features = FrontendFeatures.read(nodes);
      int count = features.queues().size();
      queues = new VifQueue[count];
      int first = nodes.guest() + nodes.devid();
      for (; opened < count; opened++) {
        QueueWorker worker = workers.get((first + opened) % workers.size());
        queues[opened] = VifQueue.open(vif, hypercalls, worker, features.queues().get(opened));
      }
      if (features.control().isPresent()) {
        openControl(features.control().get(), count);
      }
      port = Optional.of(queues[0].port());
      vif.connect(features, queues);
      for (VifQueue queue : queues) {
        queue.ask(); // the driver's first notification may have been its last backend's
      }
      return true;
    } catch (FrontendFeatures.BadNodesException | HypercallException refused) {
      for (int i = 0; i < opened; i++) {
        queues[i].close();
      }
      LOG.log(Level.WARNING, "{0} cannot be connected: {1}", label, refused.getMessage());
      return false;
    }
  }

  private void openControl(FrontendFeatures.Control described, int queues) {
    Hypercalls hypercalls = domain.hypercalls();
    QueueWorker worker = workers.getFirst();
    GrantMapping page = hypercalls.mapGrant(nodes.guest(), described.ref(), true);
    ControlRing ring = new ControlRing(page.window(), nodes.guest(), vif.steering(), queues);
    boolean done = false;
    try {
      EventPort[] bound = new EventPort[1];
      bound[0] =
          hypercalls.bindInterdomain(
              nodes.guest(),
              described.port(),
              () -> worker.execute(() -> serve(ring, worker, bound[0])));
      control = Optional.of(new Control(page, bound[0]));
      worker.execute(() -> serve(ring, worker, bound[0]));
      done = true;
    } finally {
      if (!done) {
        page.close();
      }
    }
  }

  private void serve(ControlRing ring, QueueWorker worker, EventPort bound) {
    try {
      if (ring.serve(worker.staging())) {
        bound.send();
      }
    } catch (BadRingException bad) {
      vif.cutOff(bad.getMessage());
    } catch (WindowRevokedException closed) {
      LOG.log(Level.DEBUG, "the control ring of {0} has been closed", label);
    }
  }

  /** Lets go of rings and ports; returns when nobody looks at them any more. */
  private void disconnect() {
    for (VifQueue queue : vif.disconnect()) {
      queue.worker().call(queue::close);
    }
    if (control.isPresent()) {
      workers.getFirst().call(control.get()::close);
      control = Optional.empty();
    }
    port = Optional.empty();
  }

  /** Lets go of everything, and leaves the nodes as they are. */
  @Override
  public void close() {
    disconnect();
    uplink.ifPresent(Uplink::close);
    uplink = Optional.empty();
    vif.setCapture(Capture.NONE);
    capture.ifPresent(Capture::close);
    capture = Optional.empty();
    captureFile = "";
    LOG.log(Level.DEBUG, "{0}: {1}", label, vif.count());
  }
}

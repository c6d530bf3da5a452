package dev.domus.toolstack.life;

import java.util.Map;

/**
 * A paravirtualized device as the toolstack describes it in xenstore: two halves that a backend and
 * the guest's driver find one another by. What every device has (who is at the other end, states)
 * is {@link PvDevices}' to write.
 *
 * @param kind what it is called in xenstore, such as {@code vbd} or {@code vif}
 * @param service the service that is its backend, wherever that runs
 * @param devid its number among the guest's devices of that kind
 * @param backend further nodes of the backend's half, name to value
 * @param frontend further nodes of the guest's half, name to value
 */
public record PvDevice(
    String kind,
    String service,
    int devid,
    Map<String, String> backend,
    Map<String, String> frontend) {
  /** Copies the nodes. */
  public PvDevice {
    backend = Map.copyOf(backend);
    frontend = Map.copyOf(frontend);
  }

  /** What messages call it. */
  public String label() {
    return kind + " " + devid;
  }
}

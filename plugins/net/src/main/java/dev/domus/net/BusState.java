package dev.domus.net;

/** Where one end of a connection through xenstore is (xenbus_state, xen-pv-abi.md, 15.4). */
enum BusState {
  UNKNOWN,
  INITIALISING,
  INIT_WAIT,
  INITIALISED,
  CONNECTED,
  CLOSING,
  CLOSED;

  /** The state that a node's value names; UNKNOWN for what names none. */
  static BusState of(String text) {
    for (BusState state : values()) {
      if (state.text().equals(text)) {
        return state;
      }
    }
    return UNKNOWN;
  }

  String text() {
    return Integer.toString(ordinal());
  }
}

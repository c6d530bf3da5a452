package dev.domus.toolstack.trace;

import java.io.IOException;
import java.io.OutputStream;
import java.util.HashMap;
import java.util.Map;

/**
 * Writes the packets of a Perfetto trace: tracks, and events on them. The field numbers are those
 * of Perfetto's published schema (perfetto.dev: trace_packet.proto, track_descriptor.proto,
 * track_event.proto, debug_annotation.proto, interned_data.proto, clock_snapshot.proto).
 *
 * <p>All packets are of one sequence; names, categories and names of arguments are sent once and
 * then referred to by number.
 */
final class PerfettoPackets {
  /** Kinds of track events. */
  static final int SLICE_BEGIN = 1, SLICE_END = 2, INSTANT = 3;

  // Trace
  private static final int PACKET = 1;

  // TracePacket
  private static final int CLOCK_SNAPSHOT = 6,
      TIMESTAMP = 8,
      SEQUENCE_ID = 10,
      TRACK_EVENT = 11,
      INTERNED_DATA = 12,
      SEQUENCE_FLAGS = 13,
      TRACK_DESCRIPTOR = 60;
  private static final int STATE_CLEARED = 1, NEEDS_STATE = 2;

  // ClockSnapshot and its Clock
  private static final int CLOCKS = 1, CLOCK_ID = 1, CLOCK_TIMESTAMP = 2;
  private static final int REALTIME = 1, BOOTTIME = 6;

  // InternedData; in each entry a number and a text
  private static final int CATEGORIES = 1, NAMES = 2, ARGUMENT_NAMES = 3;
  private static final int IID = 1, TEXT = 2;

  // TrackDescriptor
  private static final int UUID = 1, TRACK_NAME = 2, PARENT = 5;

  // TrackEvent
  private static final int CATEGORY_IIDS = 3,
      ARGUMENTS = 4,
      TYPE = 9,
      NAME_IID = 10,
      TRACK_UUID = 11,
      FLOW_IDS = 47,
      TERMINATING_FLOW_IDS = 48;

  // DebugAnnotation
  private static final int ARGUMENT_NAME_IID = 1,
      INT_VALUE = 4,
      STRING_VALUE = 6,
      POINTER_VALUE = 7;

  private static final int SEQUENCE = 1;

  private final OutputStream out;
  private final Map<String, Integer> categories = new HashMap<>();
  private final Map<String, Integer> names = new HashMap<>();
  private final Map<String, Integer> argumentNames = new HashMap<>();

  private final Protobuf file = new Protobuf();
  private final Protobuf packet = new Protobuf();
  private final Protobuf event = new Protobuf();
  private final Protobuf interned = new Protobuf();
  private final Protobuf entry = new Protobuf();
  private boolean news;
  private long time;

  PerfettoPackets(OutputStream out) {
    this.out = out;
  }

  /** The first packet: what time it was when the events' clock showed 0. */
  void begin(long wallMillis) throws IOException {
    entry.clear().number(CLOCK_ID, BOOTTIME).number(CLOCK_TIMESTAMP, 0);
    event.clear().message(CLOCKS, entry);
    entry.clear().number(CLOCK_ID, REALTIME).number(CLOCK_TIMESTAMP, wallMillis * 1_000_000);
    event.message(CLOCKS, entry);
    packet.clear().number(SEQUENCE_ID, SEQUENCE).number(SEQUENCE_FLAGS, STATE_CLEARED);
    packet.message(CLOCK_SNAPSHOT, event);
    write();
  }

  /** Declares a track; {@code parent} is 0 for none. */
  void track(long uuid, long parent, String name) throws IOException {
    event.clear().number(UUID, uuid).text(TRACK_NAME, name);
    if (parent != 0) {
      event.number(PARENT, parent);
    }
    packet.clear().number(SEQUENCE_ID, SEQUENCE).message(TRACK_DESCRIPTOR, event);
    write();
  }

  /** Begins an event; arguments and flows follow, then {@link #end}. Times are not negative. */
  PerfettoPackets event(long atNanos, int type, long track, String category, String name) {
    time = Math.max(0, atNanos);
    interned.clear();
    news = false;
    event.clear().number(TYPE, type).number(TRACK_UUID, track);
    if (type != SLICE_END) {
      event.number(CATEGORY_IIDS, number(categories, CATEGORIES, category));
      event.number(NAME_IID, number(names, NAMES, name));
    }
    return this;
  }

  PerfettoPackets argument(String name, long value) {
    return argument(name, INT_VALUE, value);
  }

  PerfettoPackets address(String name, long value) {
    return argument(name, POINTER_VALUE, value);
  }

  private PerfettoPackets argument(String name, int field, long value) {
    int number = number(argumentNames, ARGUMENT_NAMES, name);
    event.message(ARGUMENTS, entry.clear().number(ARGUMENT_NAME_IID, number).number(field, value));
    return this;
  }

  PerfettoPackets argument(String name, String value) {
    int number = number(argumentNames, ARGUMENT_NAMES, name);
    event.message(
        ARGUMENTS, entry.clear().number(ARGUMENT_NAME_IID, number).text(STRING_VALUE, value));
    return this;
  }

  PerfettoPackets flow(long id) {
    event.fixed64(FLOW_IDS, id);
    return this;
  }

  PerfettoPackets flowEnds(long id) {
    event.fixed64(TERMINATING_FLOW_IDS, id);
    return this;
  }

  void end() throws IOException {
    packet.clear().number(TIMESTAMP, time).number(SEQUENCE_ID, SEQUENCE);
    packet.number(SEQUENCE_FLAGS, NEEDS_STATE);
    if (news) {
      packet.message(INTERNED_DATA, interned);
    }
    packet.message(TRACK_EVENT, event);
    write();
  }

  private int number(Map<String, Integer> known, int kind, String text) {
    Integer number = known.get(text);
    if (number == null) {
      number = known.size() + 1;
      known.put(text, number);
      interned.message(kind, entry.clear().number(IID, number).text(TEXT, text));
      news = true;
    }
    return number;
  }

  private void write() throws IOException {
    file.clear().message(PACKET, packet).writeTo(out);
  }
}

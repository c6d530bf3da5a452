package dev.domus.toolstack.trace;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Label;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto.Type;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A Perfetto trace, read by protobuf's own parser with a schema of the published field numbers, and
 * laid out as the viewer does it.
 */
class PerfettoExportTest {
  @TempDir private Path directory;

  private static FieldDescriptorProto field(String name, int number, Type type) {
    return FieldDescriptorProto.newBuilder()
        .setName(name)
        .setNumber(number)
        .setType(type)
        .setLabel(Label.LABEL_OPTIONAL)
        .build();
  }

  private static FieldDescriptorProto repeated(FieldDescriptorProto field) {
    return field.toBuilder().setLabel(Label.LABEL_REPEATED).build();
  }

  private static FieldDescriptorProto nested(String name, int number, String type) {
    return field(name, number, Type.TYPE_MESSAGE).toBuilder().setTypeName(type).build();
  }

  private static DescriptorProto message(String name, FieldDescriptorProto... fields) {
    return DescriptorProto.newBuilder().setName(name).addAllField(List.of(fields)).build();
  }

  private static Descriptor schema() throws Exception {
    FileDescriptorProto file =
        FileDescriptorProto.newBuilder()
            .setName("trace.proto")
            .setSyntax("proto2")
            .addMessageType(message("Trace", repeated(nested("packet", 1, "TracePacket"))))
            .addMessageType(
                message(
                    "TracePacket",
                    nested("clock_snapshot", 6, "ClockSnapshot"),
                    field("timestamp", 8, Type.TYPE_UINT64),
                    field("trusted_packet_sequence_id", 10, Type.TYPE_UINT32),
                    nested("track_event", 11, "TrackEvent"),
                    nested("interned_data", 12, "InternedData"),
                    field("sequence_flags", 13, Type.TYPE_UINT32),
                    nested("track_descriptor", 60, "TrackDescriptor")))
            .addMessageType(message("ClockSnapshot", repeated(nested("clocks", 1, "Clock"))))
            .addMessageType(
                message(
                    "Clock",
                    field("clock_id", 1, Type.TYPE_UINT32),
                    field("timestamp", 2, Type.TYPE_UINT64)))
            .addMessageType(
                message(
                    "TrackDescriptor",
                    field("uuid", 1, Type.TYPE_UINT64),
                    field("name", 2, Type.TYPE_STRING),
                    field("parent_uuid", 5, Type.TYPE_UINT64)))
            .addMessageType(
                message(
                    "TrackEvent",
                    repeated(field("category_iids", 3, Type.TYPE_UINT64)),
                    repeated(nested("debug_annotations", 4, "DebugAnnotation")),
                    field("type", 9, Type.TYPE_INT32),
                    field("name_iid", 10, Type.TYPE_UINT64),
                    field("track_uuid", 11, Type.TYPE_UINT64),
                    repeated(field("flow_ids", 47, Type.TYPE_FIXED64)),
                    repeated(field("terminating_flow_ids", 48, Type.TYPE_FIXED64))))
            .addMessageType(
                message(
                    "DebugAnnotation",
                    field("name_iid", 1, Type.TYPE_UINT64),
                    field("int_value", 4, Type.TYPE_INT64),
                    field("string_value", 6, Type.TYPE_STRING),
                    field("pointer_value", 7, Type.TYPE_UINT64)))
            .addMessageType(
                message(
                    "Interned",
                    field("iid", 1, Type.TYPE_UINT64),
                    field("name", 2, Type.TYPE_STRING)))
            .addMessageType(
                message(
                    "InternedData",
                    repeated(nested("event_categories", 1, "Interned")),
                    repeated(nested("event_names", 2, "Interned")),
                    repeated(nested("debug_annotation_names", 3, "Interned"))))
            .build();
    return FileDescriptor.buildFrom(file, new FileDescriptor[0]).findMessageTypeByName("Trace");
  }

  private static Object get(DynamicMessage message, String field) {
    return message.getField(message.getDescriptorForType().findFieldByName(field));
  }

  private static boolean has(DynamicMessage message, String field) {
    return message.hasField(message.getDescriptorForType().findFieldByName(field));
  }

  @SuppressWarnings("unchecked") // what the schema says of repeated fields
  private static <T> List<T> all(DynamicMessage message, String field) {
    return (List<T>) get(message, field);
  }

  private static void mustKnowAll(DynamicMessage message) {
    assertEquals(Map.of(), message.getUnknownFields().asMap(), message::toString);
    message
        .getAllFields()
        .values()
        .forEach(value -> {
          if (value instanceof DynamicMessage nested) {
            mustKnowAll(nested);
          } else if (value instanceof List<?> list) {
            list.forEach(item -> {
              if (item instanceof DynamicMessage nested) {
                mustKnowAll(nested);
              }
            });
          }
        });
  }

  /** A trace as the viewer has it: what happened on each track, by name, and the flows. */
  private static final class Viewer {
    final Map<Long, String> tracks = new HashMap<>();
    final Map<String, List<String>> events = new HashMap<>();
    final Map<Long, Deque<String>> open = new HashMap<>();
    final Set<Long> openFlows = new HashSet<>();
    final Map<Long, String> names = new HashMap<>();
    int flows;

    void packet(DynamicMessage packet) {
      assertEquals(1, get(packet, "trusted_packet_sequence_id"));
      if (has(packet, "track_descriptor")) {
        DynamicMessage track = (DynamicMessage) get(packet, "track_descriptor");
        long parent = (Long) get(track, "parent_uuid");
        assertTrue(parent == 0 || tracks.containsKey(parent), "parents come first");
        String before = tracks.put((Long) get(track, "uuid"), (String) get(track, "name"));
        assertEquals(null, before, "declared twice");
      }
      if (has(packet, "interned_data")) {
        DynamicMessage data = (DynamicMessage) get(packet, "interned_data");
        for (DynamicMessage entry : PerfettoExportTest.<DynamicMessage>all(data, "event_names")) {
          names.put((Long) get(entry, "iid"), (String) get(entry, "name"));
        }
      }
      if (has(packet, "track_event")) {
        event((DynamicMessage) get(packet, "track_event"), (Long) get(packet, "timestamp"));
      }
    }

    private void event(DynamicMessage event, long time) {
      long uuid = (Long) get(event, "track_uuid");
      String track = tracks.get(uuid);
      assertTrue(track != null, () -> "a track without a name: " + event);
      Deque<String> stack = open.computeIfAbsent(uuid, key -> new ArrayDeque<>());
      String name = names.get((Long) get(event, "name_iid"));
      List<String> log = events.computeIfAbsent(track, key -> new ArrayList<>());
      switch ((int) get(event, "type")) {
        case 1 -> {
          log.add(time + " " + ">".repeat(stack.size() + 1) + name);
          stack.push(name);
        }
        case 2 -> {
          assertFalse(stack.isEmpty(), () -> "nothing to end on " + track + " at " + time);
          log.add(time + " " + "<".repeat(stack.size()) + stack.pop());
        }
        case 3 -> log.add(time + " " + name);
        default -> throw new AssertionError(event);
      }
      for (long flow : PerfettoExportTest.<Long>all(event, "flow_ids")) {
        assertTrue(openFlows.add(flow));
        flows++;
      }
      for (long flow : PerfettoExportTest.<Long>all(event, "terminating_flow_ids")) {
        assertTrue(openFlows.remove(flow), "a flow ends that began");
      }
    }
  }

  @Test
  void protobufsParserUnderstandsEveryFieldAndTheStoryIsTheRecords() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PerfettoExport.write(Logs.talk().log(directory), bytes);
    DynamicMessage trace = DynamicMessage.parseFrom(schema(), bytes.toByteArray());
    mustKnowAll(trace);
    List<DynamicMessage> packets = all(trace, "packet");
    assertEquals(1, get(packets.getFirst(), "sequence_flags"), "state begins with this packet");
    Viewer viewer = new Viewer();
    packets.forEach(viewer::packet);

    assertEquals(
        List.of(
            "25 >decision",
            "40 <decision",
            "50 >d1v0 ping",
            "300 <d1v0 ping",
            "307 >decision",
            "310 <decision"),
        viewer.events.get("pCPU 0"));
    assertEquals(
        List.of(
            "10 >runnable",
            "50 <runnable",
            "50 >running",
            "100 >>multicall",
            "100 >>>event_channel_op/send",
            "110 event to d2v0",
            "120 wake d2v0 pong",
            "130 <<<event_channel_op/send",
            "130 <<multicall",
            "160 exception 14",
            "300 <running",
            "300 >blocked",
            "1000 <blocked"),
        viewer.events.get("d1v0 ping"));
    assertEquals(List.of("10 wake d1v0 ping"), viewer.events.get("threads"));
    assertEquals(2, viewer.flows);
    assertEquals(Set.of(), viewer.openFlows, "each wake-up leads to a run");
    viewer.open.values().forEach(stack -> assertTrue(stack.isEmpty()));
  }
}

package dev.domus.toolstack.trace;

import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.sched.PutReason;
import dev.domus.kernel.trace.TraceRecord;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** The fields of a record by name, for people and programs; values are numbers and texts. */
final class RecordFields {
  private static final String[] RUN_STATES = {"running", "runnable", "blocked", "offline"};
  private static final String[] FAULTS = {"threw", "illegal-pick", "overlong-call", "starvation"};

  private RecordFields() {}

  /** What is particular to the record's kind. */
  static Map<String, Object> of(TraceLog log, int i) {
    Map<String, Object> fields = new LinkedHashMap<>();
    long a = log.a(i);
    long b = log.b(i);
    switch (log.kind(i)) {
      case WAKE -> fields.put("by", actor((int) a));
      case ENQUEUE -> {}
      case PICK -> {
        fields.put("slice", a);
        fields.put("took", b);
      }
      case SWITCH_IN -> fields.put("slice", a);
      case SWITCH_OUT -> {
        fields.put("reason", name(PutReason.values(), log.detail(i)));
        fields.put("ran", a);
        fields.put("state", RUN_STATES[(int) b & 3]);
      }
      case BLOCK -> fields.put("state", RUN_STATES[log.detail(i) & 3]);
      case MIGRATE -> fields.put("from", a);
      case SWAP -> {
        fields.put("from", log.name(TraceRecord.high(a)));
        fields.put("to", log.name((int) TraceRecord.low(a)));
        fields.put("swapped", log.detail(i) == 1 ? "yes" : "no");
        fields.put("held", b);
      }
      case SCHED_FAULT -> {
        fields.put("pool", log.name(TraceRecord.high(a)));
        fields.put("scheduler", log.name((int) TraceRecord.low(a)));
        fields.put("fault", FAULTS[log.detail(i) & 3]);
      }
      case HYPERCALL -> {
        fields.put("call", log.hypercallLabel(TraceRecord.high(a), log.detail(i)));
        fields.put("took", TraceRecord.low(a));
        fields.put("result", b);
      }
      case EVENT -> {
        fields.put("port", a);
        fields.put("by", actor((int) b));
      }
      case GRANT -> {
        fields.put("call", log.hypercallLabel(HypercallNumber.GRANT_TABLE_OP, log.detail(i)));
        fields.put("granter", TraceRecord.high(a));
        fields.put("reference", TraceRecord.low(a));
        fields.put("status", b);
      }
      case FAULT -> {
        fields.put("vector", log.detail(i));
        fields.put("address", "0x" + Long.toHexString(a));
        fields.put("error-code", b);
      }
    }
    return fields;
  }

  /** Who did something: a vCPU, or the machine's own threads. */
  static String actor(int vcpu) {
    return vcpu == -1 ? "machine" : TraceLog.vcpuLabel(vcpu);
  }

  /** The vCPU that a record is about. */
  static String vcpu(TraceLog log, int i) {
    return log.domid(i) == TraceRecord.IDLE ? "idle" : TraceLog.vcpuLabel(log.vcpu(i));
  }

  private static String name(PutReason[] reasons, int ordinal) {
    return ordinal < reasons.length
        ? reasons[ordinal].name().toLowerCase(Locale.ROOT)
        : Integer.toString(ordinal);
  }
}

package dev.domus.kernel.model;

import java.util.Map;
import java.util.TreeMap;

/** What a vCPU runs on, as the model has it. */
final class ModelVcpu {
  boolean initialised, online;
  long kernelTable = -1, userTable = -1;
  long[] gdt = {};
  long ldtBase;
  int ldtEntries;
  final Map<Integer, Long> ldtPages = new TreeMap<>();

  ModelVcpu copy() {
    ModelVcpu v = new ModelVcpu();
    v.initialised = initialised;
    v.online = online;
    v.kernelTable = kernelTable;
    v.userTable = userTable;
    v.gdt = gdt.clone();
    v.ldtBase = ldtBase;
    v.ldtEntries = ldtEntries;
    v.ldtPages.putAll(ldtPages);
    return v;
  }
}

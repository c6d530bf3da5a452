package dev.domus.kernel.model;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** One domain as the model has it: what its vCPU runs on, and its switches. */
final class ModelDomain {
  /** Names that steps have for its frames; by number, the page that was first mapped there. */
  static final int SLOTS = 40;

  final int domid;
  final long maxPages;
  final long[] slots = new long[SLOTS];
  long sharedInfo, kernelTable, userTable = -1;
  long[] gdt = {};
  long ldtBase;
  int ldtEntries;
  final Map<Integer, Long> ldtPages = new TreeMap<>();
  boolean writableTables, m2pStrict;

  ModelDomain(int domid, long maxPages) {
    this.domid = domid;
    this.maxPages = maxPages;
    Arrays.fill(slots, -1);
  }

  ModelDomain copy() {
    ModelDomain d = new ModelDomain(domid, maxPages);
    System.arraycopy(slots, 0, d.slots, 0, SLOTS);
    d.sharedInfo = sharedInfo;
    d.kernelTable = kernelTable;
    d.userTable = userTable;
    d.gdt = gdt.clone();
    d.ldtBase = ldtBase;
    d.ldtEntries = ldtEntries;
    d.ldtPages.putAll(ldtPages);
    d.writableTables = writableTables;
    d.m2pStrict = m2pStrict;
    return d;
  }
}

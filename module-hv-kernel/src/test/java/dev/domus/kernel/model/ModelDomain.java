package dev.domus.kernel.model;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** One domain as the model has it: its vCPUs, its switches, and its grants. */
final class ModelDomain {
  /** Names that steps have for its frames; by number, the page that was first mapped there. */
  static final int SLOTS = 40;

  static final int VCPUS = 2;

  final int domid;
  final long maxPages;
  final boolean privileged;
  final long[] slots = new long[SLOTS];
  long sharedInfo;
  boolean writableTables, m2pStrict;
  final ModelVcpu[] vcpus = new ModelVcpu[VCPUS];

  /** The vCPU that acts. */
  int acting;

  /** The frame of its grant table, which has one. */
  long grantFrame;

  /** Its grants that are in use, by reference. */
  final Map<Integer, Pin> pins = new TreeMap<>();

  /** What it has mapped of others' grants, by handle. */
  final Map<Integer, GrantMapping> handles = new TreeMap<>();

  /** A grant in use: what it said when the first use began, and how many uses there are. */
  record Pin(int grantee, long mfn, int readers, int writers) {
    Pin with(int moreReaders, int moreWriters) {
      return new Pin(grantee, mfn, readers + moreReaders, writers + moreWriters);
    }
  }

  /**
   * A mapping of a grant.
   *
   * @param containsPte whether the host part was named by the address of its entry
   */
  record GrantMapping(
      int granter,
      int ref,
      long mfn,
      boolean writable,
      boolean host,
      boolean device,
      boolean containsPte) {}

  ModelDomain(int domid, long maxPages, boolean privileged) {
    this.domid = domid;
    this.maxPages = maxPages;
    this.privileged = privileged;
    Arrays.fill(slots, -1);
    for (int i = 0; i < VCPUS; i++) {
      vcpus[i] = new ModelVcpu();
    }
  }

  ModelVcpu vcpu() {
    return vcpus[acting];
  }

  ModelDomain copy() {
    ModelDomain d = new ModelDomain(domid, maxPages, privileged);
    System.arraycopy(slots, 0, d.slots, 0, SLOTS);
    for (int i = 0; i < VCPUS; i++) {
      d.vcpus[i] = vcpus[i].copy();
    }
    d.sharedInfo = sharedInfo;
    d.writableTables = writableTables;
    d.m2pStrict = m2pStrict;
    d.acting = acting;
    d.grantFrame = grantFrame;
    d.pins.putAll(pins);
    d.handles.putAll(handles);
    return d;
  }
}

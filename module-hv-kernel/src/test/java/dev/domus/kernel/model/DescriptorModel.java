package dev.domus.kernel.model;

import static dev.domus.kernel.abi.Errno.EEXIST;
import static dev.domus.kernel.abi.Errno.EFAULT;
import static dev.domus.kernel.abi.Errno.EINVAL;
import static dev.domus.kernel.model.ModelFrame.L4;
import static dev.domus.kernel.model.ModelFrame.SEGDESC;
import static dev.domus.kernel.model.ModelFrame.WRITABLE;

/**
 * Descriptor tables, and how another vCPU gets its own (xen-pv-abi.md, 7 and 3.6): a part of {@link
 * MemoryModel}.
 */
final class DescriptorModel {
  private final MemoryModel model;

  DescriptorModel(MemoryModel model) {
    this.model = model;
  }

  /** set_gdt. */
  int setGdt(int domid, long list, int entries) {
    if (entries < 0 || entries > 7168) {
      return -EINVAL;
    }
    return model.attempt(() -> {
      ModelVcpu v = model.domain(domid).vcpu();
      long[] fresh = new long[Math.ceilDiv(entries, 512)];
      for (int i = 0; i < fresh.length; i++) {
        fresh[i] = model.read(domid, list + 8L * i);
      }
      holdGdt(domid, fresh);
      for (long old : v.gdt) {
        model.frames.letGo(old);
      }
      v.gdt = fresh;
    });
  }

  private void holdGdt(int domid, long[] pages) {
    for (long mfn : pages) {
      model.frames.hold(mfn, domid, SEGDESC);
    }
  }

  /** update_descriptor. */
  int updateDescriptor(int domid, long place, long descriptor) {
    return model.attempt(() -> {
      if ((place & 7) != 0) {
        throw new Refused(EINVAL);
      }
      ModelFrame f = model.frames.own(place >>> 12, domid);
      if (f.typeCount > 0 && f.type != SEGDESC && f.type != WRITABLE) {
        throw new Refused(EINVAL);
      }
      if (f.type != SEGDESC || !f.settled) {
        f.type = WRITABLE;
      }
      f.set((int) (place >>> 3) & 511, FrameModel.descriptor(descriptor));
    });
  }

  /** The LDT's place; its pages are looked at when they are used. */
  void setLdt(int domid, long base, int entries) {
    if (entries != 0) {
      requireLdt(base, entries);
    }
    ModelVcpu v = model.domain(domid).vcpu();
    dropLdtPages(v);
    v.ldtBase = entries == 0 ? 0 : base;
    v.ldtEntries = entries;
  }

  private static void requireLdt(long base, int entries) {
    if (entries < 0
        || entries > 8192
        || (base & 4095) != 0
        || !FrameModel.addressOk(base, 8L * entries)) {
      throw new Refused(EINVAL);
    }
  }

  void dropLdtPages(ModelVcpu v) {
    v.ldtPages.values().forEach(model.frames::letGo);
    v.ldtPages.clear();
  }

  /** A selector of the LDT is used and faults: 0 if that was worth another try. */
  int useLdt(int domid, int selector) {
    return model.attempt(() -> {
      ModelVcpu v = model.domain(domid).vcpu();
      int page = (selector >>> 3) / 512;
      if (selector >>> 3 >= v.ldtEntries || v.ldtPages.containsKey(page)) {
        throw new Refused(EFAULT);
      }
      ModelFrame f = model.frames.walk(v.kernelTable, v.ldtBase + 4096L * page, false);
      v.ldtPages.put(page, model.frames.hold(f.mfn, domid, SEGDESC).mfn);
    });
  }

  // ---- other vCPUs (3.6)

  /** VCPUOP_initialise, of what concerns memory: all of it or nothing. */
  int initialise(int domid, int vcpu, long context) {
    return model.attempt(() -> {
      for (long page = context; page < context + 5168; page += 4096) {
        model.requireReadable(domid, page);
      }
      model.requireReadable(domid, context + 5160);
      ModelDomain d = model.domain(domid);
      ModelVcpu v = d.vcpus[vcpu];
      if (v.initialised) {
        throw new Refused(EEXIST);
      }
      int entries = (int) model.read(domid, context + 4960);
      long ldtBase = model.read(domid, context + 4816);
      int ldtEntries = (int) model.read(domid, context + 4824);
      if (entries < 0 || entries > 7168) {
        throw new Refused(EINVAL);
      }
      requireLdt(ldtBase, ldtEntries);
      long[] gdt = new long[Math.ceilDiv(entries, 512)];
      for (int i = 0; i < gdt.length; i++) {
        gdt[i] = model.read(domid, context + 4832 + 8L * i);
      }
      long kernelTable = model.read(domid, context + 4984 + 24) >>> 12;
      long userTable = model.read(domid, context + 4984 + 8) >>> 12;
      model.frames.hold(kernelTable, domid, L4).set(256, model.frames.m2pEntry);
      if (userTable != 0) {
        model.holdUserTable(d, userTable, kernelTable);
      }
      holdGdt(domid, gdt);
      v.initialised = true;
      v.kernelTable = kernelTable;
      v.userTable = userTable == 0 ? -1 : userTable;
      v.gdt = gdt;
      v.ldtBase = ldtBase;
      v.ldtEntries = ldtEntries;
    });
  }

  /** VCPUOP_up. */
  int up(int domid, int vcpu) {
    ModelVcpu v = model.domain(domid).vcpus[vcpu];
    v.online = v.initialised;
    return v.initialised ? 0 : -EINVAL;
  }
}

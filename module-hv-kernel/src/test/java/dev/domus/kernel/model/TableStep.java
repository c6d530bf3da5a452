package dev.domus.kernel.model;

import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.SET_GDT;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_DESCRIPTOR;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN;
import static dev.domus.kernel.abi.HypercallNumber.VCPU_OP;
import static dev.domus.kernel.abi.HypercallNumber.VM_ASSIST;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.trap.Vector;
import dev.domus.memory.paging.Pte;
import java.util.List;

/** Page tables, descriptor tables, and what stores to them. */
sealed interface TableStep extends Step {
  /** A request of mmu_update. */
  record Request(At table, int index, int command, Entry entry) {
    @Override
    public String toString() {
      String[] names = {"", " machphys", " preserve-AD", " no-translate"};
      return table
          + "["
          + index
          + "]"
          + (command < 4 ? names[command] : " command " + command)
          + " := "
          + entry;
    }
  }

  /** mmu_update. */
  record MmuUpdate(int domain, Whom tables, Whom targets, List<Request> requests)
      implements TableStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < requests.size(); i++) {
        Request r = requests.get(i);
        long pointer = r.table.word(twin, r.index) | r.command;
        long value = r.command == 1 ? 100L + r.index : r.entry.value(twin);
        twin.put(domain, Twin.ARGUMENTS + 16L * i, pointer);
        twin.put(domain, Twin.ARGUMENTS + 16L * i + 8, value);
      }
      int owners = targets.id(twin, domain);
      owners |= tables == Whom.SELF ? 0 : tables.id(twin, domain) + 1 << 16;
      long actual =
          twin.call(domain, MMU_UPDATE, Twin.ARGUMENTS, requests.size(), Twin.DONE, owners);
      long expected =
          twin.model()
              .mmuUpdate(twin.domid(domain), Twin.ARGUMENTS, requests.size(), Twin.DONE, owners);
      twin.same(name(), expected, actual);
      if (!tables.isSelf() || !targets.isSelf()) {
        passOn(twin);
      }
    }

    /** What a privileged domain has mapped, or let others map, these may reach from now on. */
    private void passOn(Twin twin) {
      long done = twin.known(domain, Twin.DONE) & 0xFFFF_FFFFL;
      for (int i = 0; i < Math.min(done, requests.size()); i++) {
        twin.allow(domain, tables.domain(domain), Pte.mfn(requests.get(i).entry.value(twin)));
      }
    }

    private String name() {
      if (!tables.isSelf()) {
        return "mmu_update of another's table";
      }
      if (!targets.isSelf()) {
        return "mmu_update for " + (targets == Whom.IO || targets == Whom.XEN ? targets : "others");
      }
      return requests.size() > 1
          ? "mmu_update batch"
          : "mmu_update command " + requests.getFirst().command;
    }
  }

  /** update_va_mapping, or the form for another domain's frames. */
  record UpdateVa(int domain, Va va, Entry entry, Flush flush, Whom owner) implements TableStep {
    @Override
    public void run(Twin twin) {
      long value = entry.value(twin);
      boolean own = owner == Whom.SELF;
      int owns = owner.id(twin, domain);
      int number = own ? UPDATE_VA_MAPPING : UPDATE_VA_MAPPING_OTHERDOMAIN;
      twin.put(domain, Twin.VCPU_SET, va.l1()); // bits beyond the last vCPU's are nobody's
      long actual = twin.call(domain, number, va.address(), value, flush.bits, owns);
      long expected =
          twin.model().updateVa(twin.domid(domain), va.address(), value, flush.bits, owns);
      boolean others = !own && !owner.isSelf() && owner != Whom.NOBODY;
      twin.same(
          others
              ? "update_va_mapping for "
                  + (owner == Whom.IO || owner == Whom.XEN ? owner : "others")
              : "update_va_mapping" + (own ? " " : "_otherdomain ") + flush,
          expected,
          actual);
      if (others && actual == 0) {
        twin.allow(domain, domain, Pte.mfn(value));
      }
    }
  }

  /** A request of mmuext_op. */
  record Request2(int command, At frame, At source, Va va, int count) {
    private static final String[] NAMES = {
      "pin L1",
      "pin L2",
      "pin L3",
      "pin L4",
      "unpin",
      "new_baseptr",
      "tlb_flush_local",
      "invlpg_local",
      "tlb_flush_multi",
      "invlpg_multi",
      "tlb_flush_all",
      "invlpg_all",
      "flush_cache",
      "set_ldt",
      "command 14",
      "new_user_baseptr",
      "clear_page",
      "copy_page",
      "flush_cache_global",
      "mark_super",
      "unmark_super"
    };

    String name() {
      return command < NAMES.length ? NAMES[command] : "command " + command;
    }

    long arg1(Twin twin) {
      return command >= 6 && command <= 13
          ? va.address()
          : command == 15 && count == 0 ? 0 : frame.mfn(twin);
    }

    long arg2(Twin twin) {
      return switch (command) {
        case 8, 9 -> count % 2 == 0 ? Twin.VCPU_SET : 0x4000_0000_0000L;
        case 13 -> count;
        default -> source.mfn(twin);
      };
    }

    /** The words that a copy would read, or leave behind, must be known. */
    boolean known(Twin twin) {
      return command != 17 || !opaque(twin, source) && !opaque(twin, frame);
    }

    private static boolean opaque(Twin twin, At at) {
      ModelFrame f = twin.model().frames.frames.get(at.mfn(twin));
      return f != null && f.opaque;
    }

    @Override
    public String toString() {
      return name()
          + (command >= 6 && command <= 13 ? " " + va + " " + count : " " + frame)
          + (command == 17 ? " from " + source : command == 15 && count == 0 ? " none" : "");
    }
  }

  /** mmuext_op. */
  record Extended(int domain, Whom owner, List<Request2> requests) implements TableStep {
    @Override
    public void run(Twin twin) {
      if (!requests.stream().allMatch(r -> r.known(twin))) {
        return;
      }
      for (int i = 0; i < requests.size(); i++) {
        Request2 r = requests.get(i);
        twin.put(domain, Twin.ARGUMENTS + 24L * i, r.command);
        twin.put(domain, Twin.ARGUMENTS + 24L * i + 8, r.arg1(twin));
        twin.put(domain, Twin.ARGUMENTS + 24L * i + 16, r.arg2(twin));
      }
      twin.put(domain, Twin.VCPU_SET, requests.getFirst().va.l1());
      int whose = owner.id(twin, domain);
      long actual = twin.call(domain, MMUEXT_OP, Twin.ARGUMENTS, requests.size(), Twin.DONE, whose);
      long expected =
          twin.model()
              .mmuextOp(twin.domid(domain), Twin.ARGUMENTS, requests.size(), Twin.DONE, whose);
      twin.same(
          !owner.isSelf()
              ? requests.getFirst().name() + " for others"
              : requests.size() > 1 ? "mmuext_op batch" : requests.getFirst().name(),
          expected,
          actual);
    }
  }

  /** A new L4 that maps what the first does in its first slot becomes a base pointer. */
  record Switch(int domain, At l4) implements TableStep {
    @Override
    public void run(Twin twin) {
      At l3 = new At(domain, 1);
      Entry low = new Entry(l3, Pte.P | Pte.W | Pte.U | Pte.A);
      new MmuUpdate(domain, Whom.SELF, Whom.SELF, List.of(new Request(l4, 0, 0, low))).run(twin);
      Request2 base = new Request2(5, l4, l4, new Va(0, 0, 0, 0), 0);
      new Extended(domain, Whom.SELF, List.of(base)).run(twin);
    }
  }

  /** set_gdt. */
  record SetGdt(int domain, List<At> pages, int entries) implements TableStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < pages.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
      }
      long actual = twin.call(domain, SET_GDT, Twin.LIST, entries);
      twin.same(
          "set_gdt",
          twin.model().descriptors.setGdt(twin.domid(domain), Twin.LIST, entries),
          actual);
    }
  }

  /** update_descriptor. */
  record Descriptor(int domain, At page, int index, int misaligned, long descriptor)
      implements TableStep {
    @Override
    public void run(Twin twin) {
      long place = page.word(twin, index) + misaligned;
      long actual = twin.call(domain, UPDATE_DESCRIPTOR, place, descriptor);
      twin.same(
          "update_descriptor",
          twin.model().descriptors.updateDescriptor(twin.domid(domain), place, descriptor),
          actual);
    }
  }

  /** A selector of the LDT is used. */
  record UseLdt(int domain, int index) implements TableStep {
    @Override
    public void run(Twin twin) {
      boolean retried = twin.useLdt(domain, index << 3 | 7);
      boolean worthIt = twin.model().descriptors.useLdt(twin.domid(domain), index << 3 | 7) == 0;
      int expected = worthIt ? 0 : -Errno.EFAULT;
      twin.same("use of the LDT", expected, retried ? 0 : -Errno.EFAULT);
    }
  }

  /** vm_assist. */
  record Assist(int domain, int command, int type) implements TableStep {
    @Override
    public void run(Twin twin) {
      long actual = twin.call(domain, VM_ASSIST, command, type);
      twin.same("vm_assist", twin.model().assist(twin.domid(domain), command, type), actual);
    }
  }

  /** The guest's program uses an address: a processor may know the translation from then on. */
  record Touch(int domain, Va page, boolean write) implements TableStep {
    @Override
    public void run(Twin twin) {
      twin.touch(domain, page.address(), write);
    }
  }

  /** VCPUOP_initialise of the second vCPU, then VCPUOP_up. */
  record Initialise(int domain, At kernelTable, At userTable, boolean user, At gdt, int entries)
      implements TableStep {
    private static final int FIRST_WORD_OF_CTRLREG = 4984 / 8;

    @Override
    public void run(Twin twin) {
      if (!twin.reaches(domain, Twin.CONTEXT)) {
        return;
      }
      for (int i = 0; i < 5168 / 8; i++) {
        twin.put(domain, Twin.CONTEXT + 8L * i, 0);
      }
      word(twin, 512 / 8, 4); // in kernel
      word(twin, (720 + 16 * Vector.GP + 8) / 8, Twin.HANDLER);
      word(twin, (720 + 16 * Vector.PF + 8) / 8, Twin.HANDLER);
      word(twin, 4832 / 8, gdt.mfn(twin));
      word(twin, 4960 / 8, entries);
      word(twin, FIRST_WORD_OF_CTRLREG + 3, kernelTable.mfn(twin) << 12);
      word(twin, FIRST_WORD_OF_CTRLREG + 1, user ? userTable.mfn(twin) << 12 : 0);
      int domid = twin.domid(domain);
      long actual = twin.call(domain, VCPU_OP, 0, 1, Twin.CONTEXT);
      int expected = twin.model().descriptors.initialise(domid, 1, Twin.CONTEXT);
      twin.same("vcpu initialise", expected, actual);
      twin.same("vcpu up", twin.model().descriptors.up(domid, 1), twin.call(domain, VCPU_OP, 1, 1));
      twin.call(domain, VCPU_OP, 7, 1); // no periodic timer
    }

    private void word(Twin twin, int index, long value) {
      twin.put(domain, Twin.CONTEXT + 8L * index, value);
    }
  }

  /** The kernel stores an entry to a page that it has mapped read-only, perhaps a table of its. */
  record Store(int domain, Va page, int index, Entry entry) implements TableStep {
    @Override
    public void run(Twin twin) {
      long va = page.address() + 8L * index;
      long value = entry.value(twin);
      boolean done = twin.store(domain, va, value);
      int expected = twin.model().store(twin.domid(domain), va, value);
      twin.same("store to a table", expected, done ? 0 : -Errno.EFAULT);
    }
  }

  /** The guest's program writes a word of a frame that it has mapped writable somewhere. */
  record Write(int domain, At page, int index, Entry entry) implements TableStep {
    @Override
    public void run(Twin twin) {
      long mfn = page.mfn(twin);
      ModelFrame f = twin.model().frames.frames.get(mfn);
      if (f == null
          || f.opaque
          || !f.isInUseAs(ModelFrame.WRITABLE)
          || !twin.mapsWritable(domain, mfn)) {
        return;
      }
      twin.setWord(f, index, entry.value(twin));
      twin.same("store to a page", 0, 0);
    }
  }
}

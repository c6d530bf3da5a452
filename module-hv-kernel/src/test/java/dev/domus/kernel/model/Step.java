package dev.domus.kernel.model;

import static dev.domus.kernel.abi.HypercallNumber.MEMORY_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMUEXT_OP;
import static dev.domus.kernel.abi.HypercallNumber.MMU_UPDATE;
import static dev.domus.kernel.abi.HypercallNumber.SET_GDT;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_DESCRIPTOR;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING;
import static dev.domus.kernel.abi.HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN;
import static dev.domus.kernel.abi.HypercallNumber.VM_ASSIST;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.abi.Errno;
import dev.domus.memory.paging.Pte;
import java.util.List;

/**
 * One operation of a domain: carried out on the machine, then on the model, and the answers
 * compared. Every step can be taken in every state, so a sequence can be shortened anywhere.
 */
sealed interface Step {
  /** Which of the domains acts. */
  int domain();

  /** Carries the step out on both. */
  void run(Twin twin);

  /** A domain as hypercalls name it. */
  enum Whom {
    SELF,
    OWN_ID,
    NEIGHBOUR,
    NOBODY,
    IO;

    int id(Twin twin, int caller) {
      return switch (this) {
        case SELF -> MemoryModel.SELF;
        case OWN_ID -> twin.domid(caller);
        case NEIGHBOUR -> twin.domid(1 - caller);
        case NOBODY -> 4711;
        case IO -> MemoryModel.IO;
      };
    }
  }

  /** What update_va_mapping is to flush. */
  enum Flush {
    NONE(0),
    TLB_LOCAL(1),
    PAGE_LOCAL(2),
    TLB_ALL(5),
    PAGE_ALL(6),
    TLB_SET(Twin.VCPU_SET | 1),
    PAGE_SET(Twin.VCPU_SET | 2),
    BAD_SET(0x4000_0000_0001L),
    UNUSED_BAD_SET(0x4000_0000_0000L);

    final long bits;

    Flush(long bits) {
      this.bits = bits;
    }
  }

  /** A linear address by its indices. */
  record Va(int l4, int l3, int l2, int l1) {
    long address() {
      long va = (long) l4 << 39 | (long) l3 << 30 | (long) l2 << 21 | (long) l1 << 12;
      return va << 16 >> 16;
    }

    @Override
    public String toString() {
      return "va[%d.%d.%d.%d]".formatted(l4, l3, l2, l1);
    }
  }

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
  record MmuUpdate(int domain, Whom tables, Whom targets, List<Request> requests) implements Step {
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
      int flushes = twin.flushes(domain);
      long actual =
          twin.call(domain, MMU_UPDATE, Twin.ARGUMENTS, requests.size(), Twin.DONE, owners);
      long expected =
          twin.model()
              .mmuUpdate(twin.domid(domain), Twin.ARGUMENTS, requests.size(), Twin.DONE, owners);
      twin.same(name(), expected, actual);
      twin.flushed(domain, flushes);
    }

    private String name() {
      return targets != Whom.SELF || tables != Whom.SELF
          ? "mmu_update for others"
          : requests.size() > 1
              ? "mmu_update batch"
              : "mmu_update command " + requests.getFirst().command;
    }
  }

  /** update_va_mapping, or the form for another domain's frames. */
  record UpdateVa(int domain, Va va, Entry entry, Flush flush, Whom owner) implements Step {
    @Override
    public void run(Twin twin) {
      long value = entry.value(twin);
      boolean own = owner == Whom.SELF;
      int owns = owner.id(twin, domain);
      int number = own ? UPDATE_VA_MAPPING : UPDATE_VA_MAPPING_OTHERDOMAIN;
      twin.put(domain, Twin.VCPU_SET, va.l1); // bit 0 is the only vCPU there is
      int flushes = twin.flushes(domain);
      long actual = twin.call(domain, number, va.address(), value, flush.bits, owns);
      long expected =
          twin.model().updateVa(twin.domid(domain), va.address(), value, flush.bits, owns);
      String name = own ? "update_va_mapping" : "update_va_mapping_otherdomain";
      twin.same(name + " " + flush, expected, actual);
      twin.flushed(domain, flushes);
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
  record Extended(int domain, Whom owner, List<Request2> requests) implements Step {
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
      twin.put(domain, Twin.VCPU_SET, requests.getFirst().count / 2);
      int whose = owner.id(twin, domain);
      int flushes = twin.flushes(domain);
      long actual = twin.call(domain, MMUEXT_OP, Twin.ARGUMENTS, requests.size(), Twin.DONE, whose);
      long expected =
          twin.model()
              .mmuextOp(twin.domid(domain), Twin.ARGUMENTS, requests.size(), Twin.DONE, whose);
      twin.same(
          owner != Whom.SELF
              ? "mmuext_op for others"
              : requests.size() > 1 ? "mmuext_op batch" : requests.getFirst().name(),
          expected,
          actual);
      twin.flushed(domain, flushes);
    }
  }

  /** A new L4 that maps what the first does in its first slot becomes a base pointer. */
  record Switch(int domain, At l4) implements Step {
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
  record SetGdt(int domain, List<At> pages, int entries) implements Step {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < pages.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
      }
      long actual = twin.call(domain, SET_GDT, Twin.LIST, entries);
      twin.same("set_gdt", twin.model().setGdt(twin.domid(domain), Twin.LIST, entries), actual);
    }
  }

  /** update_descriptor. */
  record Descriptor(int domain, At page, int index, int misaligned, long descriptor)
      implements Step {
    @Override
    public void run(Twin twin) {
      long place = page.word(twin, index) + misaligned;
      long actual = twin.call(domain, UPDATE_DESCRIPTOR, place, descriptor);
      twin.same(
          "update_descriptor",
          twin.model().updateDescriptor(twin.domid(domain), place, descriptor),
          actual);
    }
  }

  /** A selector of the LDT is used. */
  record UseLdt(int domain, int index) implements Step {
    @Override
    public void run(Twin twin) {
      boolean retried = twin.useLdt(domain, index << 3 | 7);
      boolean worthIt = twin.model().useLdt(twin.domid(domain), index << 3 | 7) == 0;
      int expected = worthIt ? 0 : -Errno.EFAULT;
      twin.same("use of the LDT", expected, retried ? 0 : -Errno.EFAULT);
    }
  }

  /** vm_assist. */
  record Assist(int domain, int command, int type) implements Step {
    @Override
    public void run(Twin twin) {
      long actual = twin.call(domain, VM_ASSIST, command, type);
      twin.same("vm_assist", twin.model().assist(twin.domid(domain), command, type), actual);
    }
  }

  /** The kernel stores an entry to a page that it has mapped read-only, perhaps a table of its. */
  record Store(int domain, Va page, int index, Entry entry) implements Step {
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
  record Write(int domain, At page, int index, Entry entry) implements Step {
    @Override
    public void run(Twin twin) {
      long mfn = page.mfn(twin);
      ModelFrame f = twin.model().frames.frames.get(mfn);
      if (f == null || f.opaque || !f.isInUseAs(ModelFrame.WRITABLE) || !maps(twin, mfn)) {
        return;
      }
      twin.setWord(f, index, entry.value(twin));
      twin.same("store to a page", 0, 0);
    }

    private boolean maps(Twin twin, long mfn) {
      int domid = twin.domid(domain);
      for (ModelFrame table : twin.model().frames.frames.values()) {
        for (int i = 0; i < 512 && table.owner == domid && table.isInUseAs(1); i++) {
          long leaf = table.words[i];
          if (FrameModel.isPresent(leaf) && FrameModel.isWritable(leaf) && Pte.mfn(leaf) == mfn) {
            return true;
          }
        }
      }
      return false;
    }
  }

  /** increase_reservation, or populate_physmap. */
  record Allocate(int domain, boolean populate, boolean listed, List<Integer> slots, int order)
      implements Step {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < slots.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, slots.get(i));
      }
      long list = listed || populate ? Twin.LIST : 0;
      if (list == 0 && !slots.isEmpty() && twin.room(domain) > 0) {
        return; // where the frames are would not be known
      }
      long actual = twin.reservation(domain, populate ? 6 : 0, list, slots.size(), order);
      long expected =
          twin.model()
              .allocate(
                  twin.domid(domain),
                  populate,
                  list,
                  slots.size(),
                  order,
                  i -> twin.stored(domain, Twin.LIST + 8 * i));
      String name = populate ? "populate_physmap" : "increase_reservation";
      twin.same(name, expected, actual, expected == 0 ? "nothing" : "done");
      for (int i = 0; i < expected; i++) {
        twin.keep(domain, twin.stored(domain, Twin.LIST + 8L * i), 1 << order);
      }
    }
  }

  /** decrease_reservation. */
  record GiveBack(int domain, List<At> pages, int order) implements Step {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < pages.size(); i++) {
        twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
      }
      long actual = twin.reservation(domain, 1, Twin.LIST, pages.size(), order);
      long expected = twin.model().decrease(twin.domid(domain), Twin.LIST, pages.size(), order);
      twin.same("decrease_reservation", expected, actual, expected == 0 ? "nothing" : "done");
      twin.forgetGone(domain);
    }
  }

  /** exchange. */
  record Exchange(int domain, Whom owner, List<At> pages, int inOrder, int outOrder, int outCount)
      implements Step {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < 4; i++) {
        twin.put(domain, Twin.OUT_LIST + 8L * i, 200 + 2 * i);
        if (i < pages.size()) {
          twin.put(domain, Twin.LIST + 8L * i, pages.get(i).mfn(twin));
        }
      }
      long whose = owner.id(twin, domain);
      long[] words = {
        Twin.LIST, pages.size(), inOrder, whose, Twin.OUT_LIST, outCount, outOrder, whose, 0
      };
      for (int i = 0; i < words.length; i++) {
        twin.put(domain, Twin.ARGUMENTS + 8L * i, words[i]);
      }
      long actual = twin.call(domain, MEMORY_OP, 11, Twin.ARGUMENTS);
      MemoryModel.Exchange x =
          new MemoryModel.Exchange(
              Twin.LIST, pages.size(), inOrder, Twin.OUT_LIST, outCount, outOrder);
      long expected =
          twin.model()
              .exchange(
                  twin.domid(domain),
                  (int) whose,
                  x,
                  Twin.ARGUMENTS + 64,
                  i -> twin.stored(domain, Twin.OUT_LIST + 8 * i));
      twin.same("exchange", expected, actual);
      twin.forgetGone(domain);
      twin.keepFresh(domain);
    }
  }

  /** Questions about the reservation. */
  record Question(int domain, int command, Whom owner) implements Step {
    @Override
    public void run(Twin twin) {
      int whose = owner.id(twin, domain);
      twin.put(domain, Twin.ARGUMENTS, whose);
      long actual = twin.call(domain, MEMORY_OP, command, Twin.ARGUMENTS);
      twin.same(
          "memory_op question", twin.model().question(twin.domid(domain), command, whose), actual);
    }
  }

  /** The domain dies, and another is built. */
  record Rebuild(int domain) implements Step {
    @Override
    public void run(Twin twin) {
      twin.rebuild(domain);
      twin.same("death and rebuild", 0, 0);
      assertEquals(0, twin.room(domain));
    }
  }
}

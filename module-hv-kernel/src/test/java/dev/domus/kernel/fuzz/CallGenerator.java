package dev.domus.kernel.fuzz;

import dev.domus.kernel.Hypervisor;
import dev.domus.kernel.abi.DomctlLayout;
import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/**
 * Makes hypercalls that a guest might make, and those that none should: arguments have the
 * structure of the ABI, with frames, ports, references and domains that exist more often than not,
 * and one in a few is then spoiled. Arguments are written where the calling vCPU's page tables have
 * them; a guest that has unmapped its own memory passes what is there.
 *
 * <p>Everything follows from the seed, so that a sequence can be had again.
 */
final class CallGenerator {
  /** Where arguments and what they point to are written: pages that are mostly left mapped. */
  private static final long ARGUMENT = 5 << 12, BEHIND = 6 << 12, CONTEXT = 7 << 12;

  private static final int[] REGISTERS = {
    CpuState.RDI, CpuState.RSI, CpuState.RDX, CpuState.R10, CpuState.R8
  };

  private static final long[] WEIRD = {
    0,
    1,
    -1,
    0x7FFF_FFFFL,
    0x8000_0000L,
    0xFFFF_FFFFL,
    1L << 40,
    Long.MIN_VALUE,
    Long.MAX_VALUE,
    0x0000_7FFF_FFFF_FFF8L,
    0x0000_8000_0000_0000L,
    0xFFFF_8000_0000_0000L,
    0xFFFF_8800_0000_0000L
  };

  private static final long[] ENTRY_FLAGS = {
    Pte.P | Pte.W | Pte.U | Pte.A | Pte.D,
    Pte.P | Pte.U | Pte.A,
    Pte.P | Pte.W,
    Pte.P,
    0,
    Pte.P | Pte.W | Pte.PS,
    Pte.P | Pte.W | Pte.NX
  };

  private final Hypervisor hypervisor;
  private final SplittableRandom random;
  private final long[] args = new long[REGISTERS.length];

  /** Domains that calls may be about: those of the fuzzer, some of which may have gone. */
  private final int[] domids;

  private Vcpu v;

  CallGenerator(Hypervisor hypervisor, SplittableRandom random, int[] domids) {
    this.hypervisor = hypervisor;
    this.random = random;
    this.domids = domids;
  }

  /** Sets the registers of a vCPU for its next hypercall, and writes the arguments. */
  void next(Vcpu caller) {
    v = caller;
    for (int i = 0; i < args.length; i++) {
      args[i] = random.nextInt(4) == 0 ? weird() : random.nextInt(16);
    }
    int number;
    try {
      number = call(ARGUMENT, 0);
    } catch (GuestFault unmapped) { // its own doing: what is there is passed
      number = random.nextInt(HypercallNumber.LIMIT);
      args[0] = random.nextInt(16);
      args[1] = ARGUMENT;
    }
    if (random.nextInt(12) == 0) {
      args[random.nextInt(args.length)] = weird();
    }
    long[] gpr = v.state().gpr;
    gpr[CpuState.RAX] = number;
    for (int i = 0; i < args.length; i++) {
      gpr[REGISTERS[i]] = args[i];
    }
    v.state().rip = TinyMachine.ENTRY + 2;
  }

  // ---- what things are taken from

  private int pick(int bound) {
    return random.nextInt(bound);
  }

  private long weird() {
    return switch (pick(4)) {
      case 0 -> random.nextLong();
      case 1 -> 1L << pick(64);
      default -> WEIRD[pick(WEIRD.length)];
    };
  }

  private Domain self() {
    return v.domain();
  }

  private int domid() {
    return switch (pick(8)) {
      case 0, 1, 2 -> Domid.SELF;
      case 3 -> self().domid();
      case 4, 5 -> domids[pick(domids.length)];
      case 6 -> Domid.FIRST_RESERVED + pick(6);
      default -> pick(4) == 0 ? pick(1 << 16) : 0;
    };
  }

  private int realDomid() {
    return domids[pick(domids.length)];
  }

  private long va() {
    return switch (pick(16)) {
      case 0 -> weird();
      case 1, 2 -> (long) pick(4) << 12; // a table
      case 3 -> ARGUMENT + pick(4096);
      default -> (long) (8 + pick(TinyMachine.GUEST_PAGES - 8)) << 12 | pick(512) * 8;
    };
  }

  private long mfnOf(Domain domain) {
    return domain == null
        ? pick(1 << 14)
        : domain.mmu().p2m().mfn(pick(3) == 0 ? pick(4) : pick(TinyMachine.GUEST_PAGES));
  }

  private long mfn() {
    return switch (pick(12)) {
      case 0 -> mfnOf(hypervisor.domain(realDomid()));
      case 1 -> self().sharedInfo() >>> 12;
      case 2 -> pick(1 << 14);
      case 3 ->
          pick(2) == 0 ? weird() : self().grants().frames() > 0 ? self().grants().frame(0) : 0;
      default -> mfnOf(self());
    };
  }

  private long entry() {
    return mfn() << 12 & 0x000F_FFFF_FFFF_F000L | ENTRY_FLAGS[pick(ENTRY_FLAGS.length)];
  }

  // ---- writing

  private void put(long at, long value) {
    v.guest().putLong(at, value);
  }

  private void putInt(long at, long value) {
    v.guest().putInt(at, (int) value);
  }

  // ---- calls

  /** Chooses a call, writes what it points to from an address on, and sets its arguments. */
  private int call(long at, int depth) {
    return switch (pick(32)) {
      case 0, 1, 2, 3 -> mmuUpdate(at);
      case 4, 5, 6 -> updateVaMapping();
      case 7, 8, 9 -> mmuext(at);
      case 10, 11, 12, 13, 14 -> grantOp(at);
      case 15, 16, 17, 18 -> eventOp(at);
      case 19, 20, 21 -> memoryOp(at);
      case 22 -> vcpuOp(at);
      case 23 -> schedOp(at);
      case 24 -> depth == 0 ? multicall(at) : HypercallNumber.MULTICALL;
      case 25 -> descriptors(at);
      case 26 -> control(at);
      case 27 -> registers(at);
      case 28, 29 -> grantSomething();
      case 30 -> version(at);
      default -> {
        args[0] = pick(2) == 0 ? at : args[0];
        args[1] = pick(2) == 0 ? at : args[1];
        int number = pick(HypercallNumber.LIMIT);
        yield number == HypercallNumber.IRET && pick(8) != 0 ? HypercallNumber.LIMIT : number;
      }
    };
  }

  private int mmuUpdate(long at) {
    int count = 1 + pick(3);
    for (int i = 0; i < count; i++) {
      int command = pick(16) == 0 ? pick(8) : pick(8) == 0 ? 1 : pick(3) == 0 ? 2 : 0;
      put(at + 16L * i, mfn() << 12 | (long) pick(pick(2) == 0 ? 32 : 512) << 3 | command);
      put(at + 16L * i + 8, command == 1 ? pick(64) : entry());
    }
    set(at, count, pick(2) == 0 ? 0 : BEHIND, domid() | (pick(8) == 0 ? domid() + 1 << 16 : 0), 0);
    return HypercallNumber.MMU_UPDATE;
  }

  private void set(long a1, long a2, long a3, long a4, long a5) {
    args[0] = a1;
    args[1] = a2;
    args[2] = a3;
    args[3] = a4;
    args[4] = a5;
  }

  private int updateVaMapping() {
    boolean other = pick(4) == 0;
    set(va(), entry(), pick(3) | (pick(2) == 0 ? 0 : pick(2) == 0 ? 4 : BEHIND), domid(), 0);
    return other
        ? HypercallNumber.UPDATE_VA_MAPPING_OTHERDOMAIN
        : HypercallNumber.UPDATE_VA_MAPPING;
  }

  private int mmuext(long at) {
    int count = 1 + pick(3);
    for (int i = 0; i < count; i++) {
      putInt(at + 24L * i, pick(3) == 0 ? pick(6) : pick(22));
      put(at + 24L * i + 8, pick(4) == 0 ? va() : mfn());
      put(at + 24L * i + 16, pick(4) == 0 ? BEHIND : pick(2) == 0 ? mfn() : pick(600));
    }
    set(at, count, pick(2) == 0 ? 0 : BEHIND, pick(8) == 0 ? domid() : Domid.SELF, 0);
    return HypercallNumber.MMUEXT_OP;
  }

  private int grantOp(long at) {
    int command = pick(3) == 0 ? pick(13) : pick(4) == 0 ? 5 : pick(2);
    int count = command <= 1 || command == 5 ? 1 + pick(3) : 1;
    for (int i = 0; i < count; i++) {
      grantElement(command, at, i);
    }
    set(command, at, count, 0, 0);
    return HypercallNumber.GRANT_TABLE_OP;
  }

  private void grantElement(int command, long at, int i) {
    switch (command) {
      case GrantOpLayout.MAP_GRANT_REF -> {
        long element = at + 32L * i;
        int flags = pick(8) == 0 ? pick(1 << 17) : 2 + (pick(2) << 2) + pick(2);
        long host = (flags & 16) != 0 ? mfnOf(self()) << 12 | pick(512) << 3 : va() & ~0xFFFL;
        put(element, host);
        putInt(element + 8, flags);
        putInt(element + 12, pick(16));
        putInt(element + 16, realDomid());
      }
      case GrantOpLayout.UNMAP_GRANT_REF, GrantOpLayout.UNMAP_AND_REPLACE -> {
        long element = at + 24L * i;
        put(element, va() & ~0xFFFL);
        put(element + 8, pick(2) == 0 ? 0 : mfn() << 12);
        putInt(element + 16, pick(12));
      }
      case GrantOpLayout.COPY -> {
        long element = at + 40L * i;
        int flags = pick(16) == 0 ? pick(8) : pick(4);
        put(element, (flags & 1) != 0 ? pick(16) : mfnOf(self()));
        putInt(element + 8, ((flags & 1) != 0 ? realDomid() : Domid.SELF) | pick(4096) << 16);
        put(element + 16, (flags & 2) != 0 ? pick(16) : mfnOf(self()));
        putInt(element + 24, ((flags & 2) != 0 ? realDomid() : Domid.SELF) | pick(4096) << 16);
        putInt(element + 32, pick(pick(4) == 0 ? 8192 : 512) | flags << 16);
      }
      default -> {
        for (int field = 0; field < 32; field += 4) {
          putInt(at + field, pick(4) == 0 ? domid() : pick(16));
        }
        put(at + 16, pick(4) == 0 ? va() : BEHIND);
      }
    }
  }

  /** What a guest does without a hypercall: fills in one of its grant entries. */
  private int grantSomething() {
    if (self().grants().frames() > 0 && self().mayRun()) {
      long entry = (self().grants().frame(0) << 12) + 8L * pick(16);
      MemorySegment memory = hypervisor.memory();
      memory.set(ValueLayout.JAVA_INT, entry + 4, (int) mfnOf(self()));
      short grantee = (short) (pick(8) == 0 ? domid() : realDomid());
      memory.set(ValueLayout.JAVA_SHORT, entry + 2, grantee);
      int flags = pick(16) == 0 ? pick(1 << 16) : 1 | pick(2) << 2;
      memory.set(ValueLayout.JAVA_SHORT, entry, (short) flags);
    } else {
      putInt(ARGUMENT, Domid.SELF);
      putInt(ARGUMENT + 4, 1);
      put(ARGUMENT + 16, BEHIND);
    }
    set(GrantOpLayout.SETUP_TABLE, ARGUMENT, 1, 0, 0);
    return HypercallNumber.GRANT_TABLE_OP;
  }

  private int eventOp(long at) {
    int command = pick(16) == 0 ? pick(20) : pick(14);
    if (command == 10 && pick(16) != 0) { // reset
      command = 6;
    }
    switch (command) {
      case 0 -> {
        putInt(at, realDomid());
        putInt(at + 4, pick(24));
      }
      case 6 -> putInt(at, (pick(4) == 0 ? domid() : Domid.SELF) | realDomid() << 16);
      case 11, 12 -> {
        put(at, mfn());
        putInt(at + 8, pick(8) == 0 ? (int) weird() : pick(8) * 64);
        putInt(at + 12, pick(3));
      }
      default -> {
        putInt(at, pick(24));
        putInt(at + 4, pick(4));
        putInt(at + 8, pick(24));
      }
    }
    set(command, at, 0, 0, 0);
    return HypercallNumber.EVENT_CHANNEL_OP;
  }

  private int memoryOp(long at) {
    int command = pick(2) == 0 ? new int[] {0, 1, 6, 11}[pick(4)] : pick(30);
    int count = pick(4) == 0 ? pick(64) : pick(4);
    reservation(at, command, count);
    if (command == 11) {
      reservation(at + 32, command, count);
      put(at + 64, 0);
    }
    set(command | (pick(16) == 0 ? pick(8) << 6 : 0), at, 0, 0, 0);
    return HypercallNumber.MEMORY_OP;
  }

  private void reservation(long at, int command, int count) {
    for (int i = 0; i < Math.min(count, 16); i++) {
      put(BEHIND + 8L * i, command == 6 ? pick(40) : mfn());
    }
    put(at, pick(8) == 0 ? 0 : BEHIND);
    put(at + 8, pick(16) == 0 ? weird() : count);
    putInt(at + 16, pick(8) == 0 ? pick(12) : 0);
    putInt(at + 20, pick(4) == 0 ? (int) weird() : 0);
    putInt(at + 24, pick(4) == 0 ? domid() : Domid.SELF);
  }

  private int vcpuOp(long at) {
    int command = pick(15);
    if (command == 2 && pick(16) != 0) { // down: a domain without vCPUs has shut down
      command = 1;
    }
    if (command == 0) {
      put(CONTEXT + VcpuGuestContextLayout.FLAGS, 4);
      put(CONTEXT + VcpuGuestContextLayout.CTRLREG + 24, mfnOf(self()) << 12);
      set(0, pick(3), CONTEXT, 0, 0);
      return HypercallNumber.VCPU_OP;
    }
    put(at, command == 10 ? mfn() : va());
    putInt(at + 8, pick(4096));
    set(command, pick(3), at, 0, 0);
    return HypercallNumber.VCPU_OP;
  }

  private int schedOp(long at) {
    int command = pick(10);
    if (command == 2 && pick(64) != 0 || (command == 1 || command == 3) && pick(4) != 0) {
      command = 0; // to shut down and to sleep is the end of a domain's calls for a while
    }
    put(at, command == 3 ? BEHIND : pick(6));
    putInt(at + 8, pick(4));
    put(at + 16, pick(2) == 0 ? 0 : 1);
    if (command == 4) {
      putInt(at, domid());
    }
    set(command, at, 0, 0, 0);
    return HypercallNumber.SCHED_OP;
  }

  private int multicall(long at) {
    int count = 1 + pick(4);
    for (int i = 0; i < count; i++) {
      int number = call(at + 1024 + 256L * i, 1);
      long element = at + 64L * i;
      put(element, number);
      for (int a = 0; a < args.length; a++) {
        put(element + 16 + 8L * a, args[a]);
      }
    }
    set(at, count, 0, 0, 0);
    return HypercallNumber.MULTICALL;
  }

  private int descriptors(long at) {
    if (pick(2) == 0) {
      int frames = pick(3);
      for (int i = 0; i < frames; i++) {
        put(at + 8L * i, mfn());
      }
      set(at, pick(512 * frames + 1), 0, 0, 0);
      return HypercallNumber.SET_GDT;
    }
    set(mfn() << 12 | pick(512) << 3, random.nextLong(), 0, 0, 0);
    return HypercallNumber.UPDATE_DESCRIPTOR;
  }

  private int control(long at) {
    boolean domctl = pick(4) != 0;
    putInt(at, pick(domctl ? 87 : 30));
    putInt(at + 4, pick(16) == 0 ? pick(32) : DomctlLayout.INTERFACE_VERSION);
    if (v.guest().getInt(at) == DomctlLayout.CREATE_DOMAIN && domctl) {
      putInt(at, DomctlLayout.GET_DOMAIN_INFO); // the fuzzer makes its domains itself
    }
    putInt(at + 8, realDomid());
    for (int i = 16; i < 80; i += 8) {
      put(at + i, pick(4) == 0 ? mfn() : pick(2) == 0 ? BEHIND : pick(8));
    }
    set(at, 0, 0, 0, 0);
    return domctl ? HypercallNumber.DOMCTL : HypercallNumber.SYSCTL;
  }

  private static final int[] REGISTER_CALLS = {
    HypercallNumber.SET_TRAP_TABLE,
    HypercallNumber.STACK_SWITCH,
    HypercallNumber.SET_CALLBACKS,
    HypercallNumber.FPU_TASKSWITCH,
    HypercallNumber.SET_DEBUGREG,
    HypercallNumber.GET_DEBUGREG,
    HypercallNumber.SET_TIMER_OP,
    HypercallNumber.VM_ASSIST,
    HypercallNumber.SET_SEGMENT_BASE,
    HypercallNumber.CALLBACK_OP,
    HypercallNumber.PHYSDEV_OP,
    HypercallNumber.NMI_OP
  };

  private int registers(long at) {
    set(pick(34), pick(2) == 0 ? at : va(), va(), 0, 0);
    return REGISTER_CALLS[pick(REGISTER_CALLS.length)];
  }

  private int version(long at) {
    set(pick(12), at, 0, 0, 0);
    return HypercallNumber.XEN_VERSION;
  }
}

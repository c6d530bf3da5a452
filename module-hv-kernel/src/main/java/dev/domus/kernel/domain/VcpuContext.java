package dev.domus.kernel.domain;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.FxsaveLayout;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.FpuState;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.kernel.trap.DebugRegisters;
import dev.domus.kernel.trap.TrapState;
import dev.domus.kernel.trap.VmAssist;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Setting up a vCPU, and looking at one: VCPUOP_initialise, by which a guest sets up another of its
 * vCPUs, and the same of a privileged domain's by domctl (xen-pv-abi.md, 3.6). The context is
 * copied out of guest memory once; everything in it is checked, and the page tables and descriptor
 * frames are referenced, before the vCPU is touched.
 */
public final class VcpuContext {
  private static final int IOPL_SHIFT = 12;
  private static final int ONLINE = VcpuGuestContextLayout.ONLINE;

  private VcpuContext() {}

  /**
   * Carries the operation out.
   *
   * @param v the calling vCPU
   * @param target the vCPU to set up
   * @param arg address of the vcpu_guest_context
   * @return 0, a negated error number, or {@link TableWork#RESTART}: the same call is to be made
   *     again
   */
  public static long initialise(Vcpu v, Vcpu target, long arg) {
    int before = v.tableWork().begin();
    if (before != 0) {
      return before;
    }
    if (target.vcpuInfo() < 0) {
      return -Errno.EINVAL;
    }
    long result;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment context = arena.allocate(VcpuGuestContextLayout.SIZE, 8);
      v.guest().read(arg, context, 0, VcpuGuestContextLayout.SIZE);
      synchronized (target) { // two vCPUs may set up a third at once
        result = target.initialised() ? -Errno.EEXIST : apply(v, target, context);
        if (result == 0 && (at(context, VcpuGuestContextLayout.FLAGS) & ONLINE) != 0) {
          target.up(); // as if VCPUOP_up came behind it
        }
      }
    }
    return result < 0 ? v.tableWork().fail((int) result) : result;
  }

  /**
   * The same for a vCPU of another domain, which is brought up or taken down as the context says.
   * It may be set up again, as debuggers do and who resumes a suspended domain; but page tables and
   * descriptor tables have to be those that it has (−EOPNOTSUPP).
   *
   * @param v the calling vCPU
   * @param target the vCPU to set up; its domain does not run
   * @param arg address of the vcpu_guest_context in the caller's memory
   * @return 0, a negated error number, or {@link TableWork#RESTART}: the same call is to be made
   *     again
   */
  public static long set(Vcpu v, Vcpu target, long arg) {
    int before = v.tableWork().begin();
    if (before != 0) {
      return before;
    }
    if (target.vcpuInfo() < 0) {
      return -Errno.EINVAL;
    }
    long result;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment context = arena.allocate(VcpuGuestContextLayout.SIZE, 8);
      v.guest().read(arg, context, 0, VcpuGuestContextLayout.SIZE);
      synchronized (target) {
        if (target.initialised()) {
          MemorySegment present = arena.allocate(VcpuGuestContextLayout.SIZE, 8);
          get(target, present);
          if (!sameTables(present, context)) {
            return -Errno.EOPNOTSUPP;
          }
        }
        boolean first = !target.initialised();
        result = apply(v, target, context);
        if (result == 0 && first && target.id() == 0) {
          result = setAssists(target.domain(), at(context, VcpuGuestContextLayout.VM_ASSIST));
        }
        if (result == 0) {
          boolean online = (at(context, VcpuGuestContextLayout.FLAGS) & ONLINE) != 0;
          if (online && !target.online()) {
            target.up();
          } else if (!online && target.online()) {
            target.down();
          }
        }
      }
    }
    return result < 0 ? v.tableWork().fail((int) result) : result;
  }

  /** A domain's assists are those of its first vCPU's first context, whatever it had before. */
  private static int setAssists(Domain domain, long assists) {
    boolean enough = true;
    for (int type = 0; type < Long.SIZE; type++) {
      enough &= domain.setAssist(type, (assists >>> type & 1) != 0);
    }
    return enough ? 0 : -Errno.ENOMEM;
  }

  private static boolean sameTables(MemorySegment a, MemorySegment b) {
    long cr1 = VcpuGuestContextLayout.CTRLREG + 8, cr3 = VcpuGuestContextLayout.CTRLREG + 24;
    return at(a, cr1) == at(b, cr1)
        && at(a, cr3) == at(b, cr3)
        && same(a, b, VcpuGuestContextLayout.LDT_BASE, VcpuGuestContextLayout.KERNEL_SS);
  }

  /** The fields from LDT base to GDT entries stand in one piece. */
  private static boolean same(MemorySegment a, MemorySegment b, long from, long to) {
    return MemorySegment.mismatch(a, from, to, b, from, to) < 0;
  }

  /**
   * Writes a vCPU's context.
   *
   * @param target a vCPU that does not run
   * @param c receives the vcpu_guest_context, and is zero before
   */
  public static void get(Vcpu target, MemorySegment c) {
    CpuState s = target.state();
    FxsaveLayout.store(s.fpu, c);
    long base = VcpuGuestContextLayout.USER_REGS;
    for (int i = 0; i < 16; i++) {
      put(c, base + VcpuGuestContextLayout.register(i), s.gpr[i]);
    }
    put(c, base + VcpuGuestContextLayout.REG_RIP, s.rip);
    long iopl = (long) target.traps().iopl() << IOPL_SHIFT;
    put(c, base + VcpuGuestContextLayout.REG_RFLAGS, s.rflags | iopl);
    put(c, base + VcpuGuestContextLayout.REG_CS, s.cs);
    put(c, base + VcpuGuestContextLayout.REG_SS, s.ss);
    put(c, base + VcpuGuestContextLayout.REG_DS, s.ds);
    put(c, base + VcpuGuestContextLayout.REG_ES, s.es);
    put(c, base + VcpuGuestContextLayout.REG_FS, s.fs);
    put(c, base + VcpuGuestContextLayout.REG_GS, s.gs);
    boolean inKernel = target.kernelMode();
    long flags = target.traps().store(c);
    flags |= VcpuGuestContextLayout.FPU_VALID;
    flags |= inKernel ? VcpuGuestContextLayout.IN_KERNEL : 0;
    flags |= target.online() ? ONLINE : 0;
    put(c, VcpuGuestContextLayout.FLAGS, flags);
    target.domain().mmu().storeDescriptorTables(target, c);
    put(c, VcpuGuestContextLayout.CTRLREG, s.cr0);
    put(
        c,
        VcpuGuestContextLayout.CTRLREG + 8,
        target.userTable() < 0 ? 0 : target.userTable() << 12);
    put(c, VcpuGuestContextLayout.CTRLREG + 24, target.kernelTable() << 12);
    put(c, VcpuGuestContextLayout.CTRLREG + 32, s.cr4);
    for (int i = 0; i < 8; i++) {
      put(c, VcpuGuestContextLayout.DEBUGREG + 8L * i, i == 4 || i == 5 ? 0 : s.dr[i]);
    }
    put(c, VcpuGuestContextLayout.VM_ASSIST, target.domain().assists());
    put(c, VcpuGuestContextLayout.FS_BASE, s.fsBase);
    put(c, VcpuGuestContextLayout.GS_BASE_KERNEL, inKernel ? s.gsBase : target.inactiveGsBase());
    put(c, VcpuGuestContextLayout.GS_BASE_USER, inKernel ? target.inactiveGsBase() : s.gsBase);
  }

  private static void put(MemorySegment c, long offset, long value) {
    c.set(ValueLayout.JAVA_LONG, offset, value);
  }

  private static long apply(Vcpu v, Vcpu target, MemorySegment c) {
    long rip = at(c, VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RIP);
    long fsBase = at(c, VcpuGuestContextLayout.FS_BASE);
    long gsKernel = at(c, VcpuGuestContextLayout.GS_BASE_KERNEL);
    long gsUser = at(c, VcpuGuestContextLayout.GS_BASE_USER);
    long event = at(c, VcpuGuestContextLayout.EVENT_CALLBACK);
    long failsafe = at(c, VcpuGuestContextLayout.FAILSAFE_CALLBACK);
    long syscall = at(c, VcpuGuestContextLayout.SYSCALL_CALLBACK);
    long rsp = at(c, VcpuGuestContextLayout.USER_REGS + VcpuGuestContextLayout.REG_RSP);
    long flags = at(c, VcpuGuestContextLayout.FLAGS);
    long userTable = at(c, VcpuGuestContextLayout.CTRLREG + 8) >>> 12;
    boolean inKernel = (flags & VcpuGuestContextLayout.IN_KERNEL) != 0;
    boolean canonical =
        Pte.isCanonical(rip)
            && Pte.isCanonical(rsp)
            && Pte.isCanonical(at(c, VcpuGuestContextLayout.KERNEL_SP))
            && Pte.isCanonical(fsBase)
            && Pte.isCanonical(gsKernel)
            && Pte.isCanonical(gsUser)
            && Pte.isCanonical(event)
            && Pte.isCanonical(failsafe)
            && Pte.isCanonical(syscall);
    if (!canonical) {
      return -Errno.EINVAL;
    }
    for (int i = 0; i < 256; i++) {
      if (!Pte.isCanonical(at(c, VcpuGuestContextLayout.TRAPS + 16L * i + 8))) {
        return -Errno.EINVAL;
      }
    }
    boolean assistsExist =
        target.id() != 0 || VmAssist.allExist(at(c, VcpuGuestContextLayout.VM_ASSIST));
    if (!inKernel && userTable == 0 || !assistsExist || !tablesFit(c)) {
      return -Errno.EINVAL;
    }
    int error = target.initialised() ? 0 : setUpTables(v, target, c, userTable);
    if (error != 0) {
      return error;
    }
    target.enterKernel();
    load(target, c, flags);
    CpuState s = target.state();
    s.fsBase = fsBase;
    s.gsBase = gsKernel;
    target.setInactiveGsBase(gsUser);
    if (!inKernel) {
      target.enterUser();
    }
    target.setInitialised();
    return 0;
  }

  private static int setUpTables(Vcpu v, Vcpu target, MemorySegment c, long userTable) {
    long[] gdtFrames = new long[16];
    for (int i = 0; i < gdtFrames.length; i++) {
      gdtFrames[i] = at(c, VcpuGuestContextLayout.GDT_FRAMES + 8L * i);
    }
    return target
        .domain()
        .mmu()
        .roots()
        .setUpVcpu(
            target,
            at(c, VcpuGuestContextLayout.CTRLREG + 24) >>> 12,
            userTable,
            !target.domain().assist(VmAssist.M2P_STRICT),
            gdtFrames,
            (int) at(c, VcpuGuestContextLayout.GDT_ENTRIES),
            at(c, VcpuGuestContextLayout.LDT_BASE),
            (int) at(c, VcpuGuestContextLayout.LDT_ENTRIES),
            v.tableWork());
  }

  /** Everything that is not memory. */
  private static void load(Vcpu target, MemorySegment c, long flags) {
    TrapState traps = target.traps();
    for (int i = 0; i < 256; i++) {
      long entry = VcpuGuestContextLayout.TRAPS + 16L * i;
      int gateFlags = c.get(ValueLayout.JAVA_BYTE, entry + 1) & 0xFF;
      traps.set(i, gateFlags, at(c, entry + 8)); // by place: the entry's vector is not looked at
    }
    traps.setKernelStack(
        (int) at(c, VcpuGuestContextLayout.KERNEL_SS), at(c, VcpuGuestContextLayout.KERNEL_SP));
    traps.setCallback(TrapState.CALLBACK_EVENT, at(c, VcpuGuestContextLayout.EVENT_CALLBACK), true);
    traps.setCallback(
        TrapState.CALLBACK_FAILSAFE,
        at(c, VcpuGuestContextLayout.FAILSAFE_CALLBACK),
        (flags & VcpuGuestContextLayout.FAILSAFE_DISABLES_EVENTS) != 0);
    traps.setCallback(
        TrapState.CALLBACK_SYSCALL,
        at(c, VcpuGuestContextLayout.SYSCALL_CALLBACK),
        (flags & VcpuGuestContextLayout.SYSCALL_DISABLES_EVENTS) != 0);
    registers(target, c);
    CpuState s = target.state();
    if ((flags & VcpuGuestContextLayout.FPU_VALID) != 0) {
      FxsaveLayout.load(s.fpu, c);
    } else {
      s.fpu.copy(new FpuState());
    }
    s.cr4 =
        target
            .domain()
            .hypervisor()
            .cpuidPolicy()
            .guestCr4(at(c, VcpuGuestContextLayout.CTRLREG + 32));
    s.cr0 = s.cr0 & ~CpuState.CR0_TS | at(c, VcpuGuestContextLayout.CTRLREG) & CpuState.CR0_TS;
    debugRegisters(s, c);
  }

  /** The numbers of descriptors have 64 bits here, unlike those of set_gdt and SET_LDT. */
  private static boolean tablesFit(MemorySegment c) {
    long gdt = at(c, VcpuGuestContextLayout.GDT_ENTRIES);
    long ldt = at(c, VcpuGuestContextLayout.LDT_ENTRIES);
    return gdt >>> Integer.SIZE == 0 && ldt >>> Integer.SIZE == 0;
  }

  /**
   * What cannot be in force is left out, as on Xen (XSA-444): the register then has the value that
   * it has after a reset.
   */
  private static void debugRegisters(CpuState s, MemorySegment c) {
    DebugRegisters.reset(s);
    for (int i = 0; i < 8; i++) {
      if (i != 4 && i != 5) {
        DebugRegisters.write(s, i, debugRegister(c, i));
      }
    }
  }

  private static long debugRegister(MemorySegment c, int register) {
    return at(c, VcpuGuestContextLayout.DEBUGREG + 8L * register);
  }

  private static void registers(Vcpu target, MemorySegment c) {
    CpuState s = target.state();
    long base = VcpuGuestContextLayout.USER_REGS;
    for (int i = 0; i < 16; i++) {
      s.gpr[i] = at(c, base + VcpuGuestContextLayout.register(i));
    }
    s.rip = at(c, base + VcpuGuestContextLayout.REG_RIP);
    long rflags = at(c, base + VcpuGuestContextLayout.REG_RFLAGS);
    s.rflags = TrapState.sanitise(rflags);
    target.traps().setIopl((int) (rflags >>> IOPL_SHIFT) & 3); // Linux gives its other vCPUs 1 here
    s.cs = selector(c, base + VcpuGuestContextLayout.REG_CS) | 3;
    s.ss = selector(c, base + VcpuGuestContextLayout.REG_SS) | 3;
    s.ds = selector(c, base + VcpuGuestContextLayout.REG_DS);
    s.es = selector(c, base + VcpuGuestContextLayout.REG_ES);
    s.fs = selector(c, base + VcpuGuestContextLayout.REG_FS);
    s.gs = selector(c, base + VcpuGuestContextLayout.REG_GS);
  }

  private static int selector(MemorySegment c, long offset) {
    return c.get(ValueLayout.JAVA_SHORT, offset) & 0xFFFF;
  }

  private static long at(MemorySegment c, long offset) {
    return c.get(ValueLayout.JAVA_LONG, offset);
  }
}

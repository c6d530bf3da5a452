package dev.domus.kernel.trap;

import static dev.domus.kernel.engine.CpuState.RAX;
import static dev.domus.kernel.engine.CpuState.RCX;
import static dev.domus.kernel.engine.CpuState.RDX;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.mmu.TableWork;
import dev.domus.memory.paging.PageWalk;
import dev.domus.memory.paging.Pte;

/**
 * Emulation of the privileged instructions that a PV guest may use although it runs at CPL 3
 * (xen-pv-abi.md, 9).
 *
 * <p>They arrive as #GP(0). The instruction is decoded here once more, from guest memory: only a
 * handful of opcodes matters, and this way every engine has the same emulation. What is not in the
 * table stays a #GP for the guest. An instruction that is emulated advances RIP and, under TF, ends
 * in a single-step trap; one that is refused has changed nothing.
 *
 * <pre>
 *   [66 F2 F3 2E 36 3E 26 64 65 67]* [REX] opcode
 *   FA CLI   FB STI   6C..6F INS/OUTS   E4..E7, EC..EF IN/OUT
 *   0F 06 CLTS   0F 09 WBINVD   0F 20/22 MOV CR   0F 21/23 MOV DR   0F 30 WRMSR   0F 31 RDTSC   0F 32 RDMSR
 *   0F 01 F9 RDTSCP
 * </pre>
 */
final class PrivilegedInstruction {
  private static final int MAX_LENGTH = 15;
  private static final byte[] FORCED_PREFIX = {0x0F, 0x0B, 'x', 'e', 'n'};

  private static final byte[] CPUID = {0x0F, (byte) 0xA2};

  /** Iterations of a repeated INS or OUTS between two looks at what else is to be done. */
  private static final int STRING_STRETCH = 1024;

  private final Vcpu vcpu;
  private final PortIo ports;

  private long at;
  private int length;
  private int rex;
  private boolean operandSize16;
  private boolean addressSize32;
  private boolean repeated;
  private int segmentOverride;

  PrivilegedInstruction(Vcpu vcpu) {
    this.vcpu = vcpu;
    ports = new PortIo(vcpu.domain().hypervisor().clock(), vcpu.domain().io());
  }

  /**
   * Emulates the forced-emulation prefix: {@code ud2; .ascii "xen"; cpuid}. Bytes of it that are
   * not mapped are a page fault; in user mode under CPUID faulting it is #GP(0) at the CPUID.
   *
   * @return true if that is what is at RIP, or another exception has been delivered instead of #UD
   */
  boolean forcedCpuid() {
    CpuState s = vcpu.state();
    try {
      if (!isAt(s.rip, FORCED_PREFIX) || !isAt(s.rip + FORCED_PREFIX.length, CPUID)) {
        return false;
      }
    } catch (GuestFault unreadable) {
      Bounce.pageFault(vcpu, at, 0);
      return true;
    }
    if (s.cpuidFaults) {
      s.rip += FORCED_PREFIX.length;
      Bounce.exception(vcpu, Vector.GP, 0);
      return true;
    }
    vcpu.cpuid((int) s.gpr[RAX], (int) s.gpr[RCX]);
    finish(FORCED_PREFIX.length + CPUID.length);
    return true;
  }

  /**
   * Compares bytes of the guest's, up to the first that differs; {@link #at} is the last one read.
   */
  private boolean isAt(long va, byte[] expected) {
    for (int i = 0; i < expected.length; i++) {
      at = va + i;
      if (vcpu.guest().getByte(at) != (expected[i] & 0xFF)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Emulates the instruction at RIP. Returns false if it is not one of these, or is refused: #GP(0)
   * to the guest.
   */
  boolean emulate() {
    at = vcpu.state().rip;
    length = 0;
    rex = 0;
    operandSize16 = false;
    addressSize32 = false;
    repeated = false;
    segmentOverride = 0;
    try {
      return decodeAndExecute();
    } catch (GuestFault unreadable) {
      return false;
    }
  }

  private int next() {
    if (length == MAX_LENGTH) {
      throw GuestFault.EFAULT;
    }
    return vcpu.guest().getByte(at + length++);
  }

  private boolean decodeAndExecute() {
    int opcode = next();
    while (isLegacyPrefix(opcode)) {
      prefix(opcode);
      opcode = next();
    }
    if ((opcode & 0xF0) == 0x40) {
      rex = opcode;
      opcode = next();
    }
    return switch (opcode) {
      case 0xFA, 0xFB ->
          ioAllowed() && finish(length); // the virtual interrupt flag stays as it is: ABI 9.1
      case 0x6C, 0x6D, 0x6E, 0x6F -> string(opcode < 0x6E, (opcode & 1) == 0 ? 1 : wordOrDword());
      case 0xE4, 0xE5 -> in(next(), opcode == 0xE4 ? 1 : wordOrDword());
      case 0xE6, 0xE7 -> out(next(), opcode == 0xE6 ? 1 : wordOrDword());
      case 0xEC, 0xED ->
          in((int) vcpu.state().gpr[RDX] & 0xFFFF, opcode == 0xEC ? 1 : wordOrDword());
      case 0xEE, 0xEF ->
          out((int) vcpu.state().gpr[RDX] & 0xFFFF, opcode == 0xEE ? 1 : wordOrDword());
      case 0x0F -> twoByte(next());
      default -> false;
    };
  }

  private void prefix(int b) {
    switch (b) {
      case 0x66 -> operandSize16 = true;
      case 0x67 -> addressSize32 = true;
      case 0xF2, 0xF3 -> repeated = true;
      case 0x64, 0x65 -> segmentOverride = b;
      default -> {} // those of the other segments mean nothing in 64-bit code
    }
  }

  private boolean twoByte(int opcode) {
    return switch (opcode) {
      case 0x01 -> group7(next());
      case 0x06 -> privilegedUser() ? false : clts();
      case 0x09 -> privilegedUser() ? false : finish(length);
      case 0x20 -> privilegedUser() ? false : readControl(next());
      case 0x22 -> privilegedUser() ? false : writeControl(next());
      case 0x21 -> privilegedUser() ? false : readDebug(next());
      case 0x23 -> privilegedUser() ? false : writeDebug(next());
      case 0x30 -> privilegedUser() ? false : writeMsr();
      case 0x31 -> readTsc(false);
      case 0x32 -> privilegedUser() ? false : readMsr();
      default -> false; // CPUID among them: it comes here only under CPUID faulting
    };
  }

  private boolean group7(int modrm) {
    return switch (modrm) {
      case 0xF9 -> readTsc(true);
      default -> false; // XSETBV among them: XSAVE is not in the CPUID policy
    };
  }

  private boolean privilegedUser() {
    return !vcpu.kernelMode();
  }

  private int wordOrDword() {
    return operandSize16 ? 2 : 4;
  }

  private static boolean isLegacyPrefix(int b) {
    return switch (b) {
      case 0x66, 0x67, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65 -> true;
      default -> false;
    };
  }

  private boolean finish(int instructionLength) {
    CpuState s = vcpu.state();
    boolean step = (s.rflags & CpuState.TF) != 0;
    s.rip += instructionLength;
    s.rflags &= ~CpuState.RF;
    s.ssShadow = false;
    s.retired++;
    if (step) {
      s.dr[6] |= DebugRegisters.BS;
      Bounce.exception(vcpu, Vector.DB, 0);
    }
    return true;
  }

  // ---- ports

  private boolean ioAllowed() {
    return vcpu.traps().iopl >= VmAssist.cpl(vcpu);
  }

  private boolean portAllowed(int port, int bytes) {
    if (ioAllowed()) {
      return true;
    }
    TrapState traps = vcpu.traps();
    if (port + bytes > traps.iobitmapPorts) {
      return false;
    }
    long space = vcpu.borrowKernelSpace(); // user mode need not have it mapped
    try {
      for (int p = port; p < port + bytes; p++) {
        if ((vcpu.guest().getByte(traps.iobitmapAddress + (p >>> 3)) >>> (p & 7) & 1) != 0) {
          return false;
        }
      }
      return true;
    } finally {
      vcpu.returnSpace(space);
    }
  }

  private boolean in(int port, int bytes) {
    if (!portAllowed(port, bytes)) {
      return false;
    }
    long value = ports.read(port, bytes) & 0xFFFF_FFFFL;
    long[] gpr = vcpu.state().gpr;
    switch (bytes) {
      case 1 -> gpr[RAX] = gpr[RAX] & ~0xFFL | value & 0xFF;
      case 2 -> gpr[RAX] = gpr[RAX] & ~0xFFFFL | value & 0xFFFF;
      default -> gpr[RAX] = value;
    }
    return finish(length);
  }

  private boolean out(int port, int bytes) {
    if (!portAllowed(port, bytes)) {
      return false;
    }
    ports.write(port, bytes, (int) vcpu.state().gpr[RAX]);
    return finish(length);
  }

  /**
   * INS and OUTS, repeated or not. Each iteration leaves the registers such that the instruction
   * can be begun again; a long run is left and begun again, so that events get their turn.
   */
  private boolean string(boolean input, int bytes) {
    CpuState s = vcpu.state();
    long[] gpr = s.gpr;
    int port = (int) gpr[RDX] & 0xFFFF;
    if (!portAllowed(port, bytes)) {
      return false;
    }
    long mask = addressSize32 ? 0xFFFF_FFFFL : -1L;
    int index = input ? CpuState.RDI : CpuState.RSI;
    long base =
        input ? 0 : segmentOverride == 0x64 ? s.fsBase : segmentOverride == 0x65 ? s.gsBase : 0;
    long step = (s.rflags & CpuState.DF) != 0 ? -bytes : bytes;
    long count = repeated ? gpr[RCX] & mask : 1;
    for (int i = 0; count != 0; i++) {
      if (i == STRING_STRETCH) {
        return true;
      }
      long va = base + (gpr[index] & mask);
      try {
        transfer(input, port, va, bytes);
      } catch (GuestFault unreachable) {
        return Pte.isCanonical(va) && memoryFault(va, bytes, input ? PageWalk.WRITE : 0);
      }
      gpr[index] = gpr[index] + step & mask;
      if (repeated) {
        gpr[RCX] = --count;
      } else {
        count = 0;
      }
    }
    return finish(length);
  }

  private void transfer(boolean input, int port, long va, int bytes) {
    if (input) {
      vcpu.guest().requireWritable(va, bytes); // before the port is read, which may change it
      int value = ports.read(port, bytes);
      switch (bytes) {
        case 1 -> vcpu.guest().putByte(va, value);
        case 2 -> vcpu.guest().putShort(va, value);
        default -> vcpu.guest().putInt(va, value);
      }
    } else {
      int value =
          switch (bytes) {
            case 1 -> vcpu.guest().getByte(va);
            case 2 -> vcpu.guest().getShort(va);
            default -> vcpu.guest().getInt(va);
          };
      ports.write(port, bytes, value);
    }
  }

  /** Delivers the page fault of an operand that could not be reached. */
  private boolean memoryFault(long va, int bytes, int access) {
    long walked = vcpu.guest().walk(va, access);
    long faulting = va;
    if (walked >= 0 && (va & 0xFFF) + bytes > 0x1000) {
      faulting = va + bytes - 1 & ~0xFFFL;
      walked = vcpu.guest().walk(faulting, access);
    }
    int code = walked < 0 ? PageWalk.errorCode(walked) : access; // mapped: the hypervisor's range
    Bounce.pageFault(vcpu, faulting, code);
    return true;
  }

  // ---- control and debug registers

  private boolean clts() {
    vcpu.state().cr0 &= ~CpuState.CR0_TS;
    return finish(length);
  }

  private boolean readControl(int modrm) {
    CpuState s = vcpu.state();
    long value;
    switch (register(modrm)) {
      case 0 -> value = s.cr0;
      case 2 -> value = vcpu.traps().cr2;
      case 3 -> value = vcpu.kernelTable() << 12;
      case 4 -> value = s.cr4;
      default -> {
        return false;
      }
    }
    s.gpr[general(modrm)] = value;
    return finish(length);
  }

  private boolean writeControl(int modrm) {
    CpuState s = vcpu.state();
    long value = s.gpr[general(modrm)];
    switch (register(modrm)) {
      case 0 -> {
        if (((value ^ s.cr0) & ~CpuState.CR0_TS) != 0) {
          return false;
        }
        s.cr0 = value;
      }
      case 2 -> Bounce.setCr2(vcpu, value);
      case 3 -> {
        TableWork work = vcpu.tableWork();
        int result =
            work.finish()
                ? vcpu.domain().mmu().roots().newBasePointer(vcpu, value >>> 12, work)
                : TableWork.RESTART;
        if (result == TableWork.RESTART || result == 0 && !work.finish()) {
          return true; // the guest executes the instruction again
        }
        if (result != 0) {
          return false;
        }
      }
      case 4 -> s.cr4 = vcpu.domain().hypervisor().cpuidPolicy().guestCr4(value);
      default -> {
        return false;
      }
    }
    return finish(length);
  }

  private boolean readDebug(int modrm) {
    int register = register(modrm);
    if (isHiddenAlias(register)) {
      return true;
    }
    long value = DebugRegisters.read(vcpu.state(), register);
    if (value < 0 && register > 3) {
      return false;
    }
    vcpu.state().gpr[general(modrm)] = value;
    return finish(length);
  }

  private boolean writeDebug(int modrm) {
    return isHiddenAlias(register(modrm))
        || DebugRegisters.write(vcpu.state(), register(modrm), vcpu.state().gpr[general(modrm)])
                == 0
            && finish(length);
  }

  /** DR4 and DR5 do not exist under CR4.DE: delivers #UD for them. */
  private boolean isHiddenAlias(int register) {
    boolean hidden = (register == 4 || register == 5) && (vcpu.state().cr4 & CpuState.CR4_DE) != 0;
    if (hidden) {
      Bounce.exception(vcpu, Vector.UD, 0);
    }
    return hidden;
  }

  private int register(int modrm) {
    return modrm >>> 3 & 7 | (rex & 4) << 1;
  }

  private int general(int modrm) {
    return modrm & 7 | (rex & 1) << 3;
  }

  // ---- MSRs and time

  private boolean readMsr() {
    long[] gpr = vcpu.state().gpr;
    int msr = (int) gpr[RCX];
    long value;
    if (Msr.readable(msr)) {
      value = Msr.read(vcpu, msr);
    } else if (vcpu.traps().address(Vector.GP) == 0) {
      value = 0; // no #GP handler yet: the access is faked, ABI 9.5
    } else {
      return false;
    }
    gpr[RAX] = value & 0xFFFF_FFFFL;
    gpr[RDX] = value >>> 32;
    return finish(length);
  }

  private boolean writeMsr() {
    long[] gpr = vcpu.state().gpr;
    long value = gpr[RAX] & 0xFFFF_FFFFL | gpr[RDX] << 32;
    return (Msr.write(vcpu, (int) gpr[RCX], value) || vcpu.traps().address(Vector.GP) == 0)
        && finish(length);
  }

  private boolean readTsc(boolean withAux) {
    long[] gpr = vcpu.state().gpr;
    long tsc = vcpu.tsc();
    gpr[RAX] = tsc & 0xFFFF_FFFFL;
    gpr[RDX] = tsc >>> 32;
    if (withAux) {
      gpr[RCX] = vcpu.state().tscAux & 0xFFFF_FFFFL;
    }
    return finish(length);
  }
}

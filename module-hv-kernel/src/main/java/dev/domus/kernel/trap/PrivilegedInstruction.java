package dev.domus.kernel.trap;

import static dev.domus.kernel.engine.CpuState.RAX;
import static dev.domus.kernel.engine.CpuState.RCX;
import static dev.domus.kernel.engine.CpuState.RDX;

import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;

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
 *   0F 01 D1 XSETBV   0F 01 F9 RDTSCP   0F A2 CPUID
 * </pre>
 */
final class PrivilegedInstruction {
  private static final int MAX_LENGTH = 15;
  private static final int FORCED_PREFIX_LENGTH = 5;

  private final Vcpu vcpu;
  private final PortIo ports;

  private long at;
  private int length;
  private int rex;
  private boolean operandSize16;

  PrivilegedInstruction(Vcpu vcpu) {
    this.vcpu = vcpu;
    ports = new PortIo(vcpu.domain().hypervisor().clock());
  }

  /**
   * Emulates the forced-emulation prefix: {@code ud2; .ascii "xen"; cpuid}.
   *
   * @return true if that is what is at RIP
   */
  boolean forcedCpuid() {
    CpuState s = vcpu.state();
    long rip = s.rip;
    try {
      if (vcpu.guest().getByte(rip) != 0x0F
          || vcpu.guest().getByte(rip + 1) != 0x0B
          || vcpu.guest().getByte(rip + 2) != 'x'
          || vcpu.guest().getByte(rip + 3) != 'e'
          || vcpu.guest().getByte(rip + 4) != 'n'
          || vcpu.guest().getByte(rip + 5) != 0x0F
          || vcpu.guest().getByte(rip + 6) != 0xA2) {
        return false;
      }
    } catch (GuestFault unreadable) {
      return false;
    }
    vcpu.cpuid((int) s.gpr[RAX], (int) s.gpr[RCX]);
    finish(FORCED_PREFIX_LENGTH + 2);
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
      operandSize16 |= opcode == 0x66;
      opcode = next();
    }
    if ((opcode & 0xF0) == 0x40) {
      rex = opcode;
      opcode = next();
    }
    return switch (opcode) {
      case 0xFA, 0xFB ->
          ioAllowed() && finish(length); // the virtual interrupt flag stays as it is: ABI 9.1
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
      default -> false;
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
  // ------------------------------------------------------------------------------------------------------

  private boolean ioAllowed() {
    int cpl = vcpu.kernelMode() ? vcpu.domain().assist(VmAssist.ARCHITECTURAL_IOPL) ? 0 : 1 : 3;
    return vcpu.traps().iopl >= cpl;
  }

  private boolean portAllowed(int port, int bytes) {
    if (ioAllowed()) {
      return true;
    }
    TrapState traps = vcpu.traps();
    if (port + bytes > traps.iobitmapPorts) {
      return false;
    }
    for (int p = port; p < port + bytes; p++) {
      if ((vcpu.guest().getByte(traps.iobitmapAddress + (p >>> 3)) >>> (p & 7) & 1) != 0) {
        return false;
      }
    }
    return true;
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

  // ---- control and debug registers
  // --------------------------------------------------------------------------------

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
        if (vcpu.domain().mmu().newBasePointer(vcpu, value >>> 12) != 0) {
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
    long value = DebugRegisters.read(vcpu.state(), register);
    if (value < 0 && register > 3) {
      return false;
    }
    vcpu.state().gpr[general(modrm)] = value;
    return finish(length);
  }

  private boolean writeDebug(int modrm) {
    return DebugRegisters.write(vcpu.state(), register(modrm), vcpu.state().gpr[general(modrm)])
            == 0
        && finish(length);
  }

  private int register(int modrm) {
    return modrm >>> 3 & 7 | (rex & 4) << 1;
  }

  private int general(int modrm) {
    return modrm & 7 | (rex & 1) << 3;
  }

  // ---- MSRs and time
  // ----------------------------------------------------------------------------------------------

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

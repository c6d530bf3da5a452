package dev.domus.kernel.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The hypercalls of section 14 of the ABI, and set_segment_base and stack_switch of section 7. */
class SmallHypercallsTest {
  private static final long ARG = 6 << 12;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private Vcpu vcpu;
  private ScriptedVcpu guest;

  @BeforeEach
  void start() {
    vcpu = machine.start().vcpu(0);
    guest = machine.engine().vcpu(0);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private void fill(long va, int length, int value) {
    guest.step(c -> {
      for (int i = 0; i < length; i++) {
        vcpu.guest().putByte(va + i, value);
      }
      return Exit.BUDGET;
    });
  }

  private String text(long va) {
    StringBuilder text = new StringBuilder();
    for (int c; (c = vcpu.guest().getByte(va + text.length())) != 0; ) {
      text.append((char) c);
    }
    return text.toString();
  }

  // ---- xen_version

  @ParameterizedTest
  @CsvSource({"1, 16", "3, 1024", "4, 64"})
  void stringsArePaddedWithZerosToTheirWholeLength(int command, int length) {
    fill(ARG, length + 1, 0xEE);
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, command, ARG));
    int end = text(ARG).length();
    assertTrue(end < length);
    for (int i = end; i < length; i++) {
      assertEquals(0, vcpu.guest().getByte(ARG + i), "XSA-122: byte " + i);
    }
    assertEquals(0xEE, vcpu.guest().getByte(ARG + length), "and no byte more");
  }

  @Test
  void theCommandLineIsDeniedInNoMoreBytesThanThatTakes() {
    fill(ARG, 1024, 0xEE);
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, 9, ARG));
    assertEquals("<denied>", text(ARG));
    assertEquals(0xEE, vcpu.guest().getByte(ARG + 9), "a small buffer is enough");
  }

  @Test
  void theFourStringsOfCompileInfoArePaddedToo() {
    fill(ARG, 145, 0xEE);
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, 2, ARG));
    for (int[] field : new int[][] {{0, 64}, {64, 16}, {80, 32}, {112, 32}}) {
      for (int i = text(ARG + field[0]).length(); i < field[1]; i++) {
        assertEquals(0, vcpu.guest().getByte(ARG + field[0] + i));
      }
    }
    assertEquals(0xEE, vcpu.guest().getByte(ARG + 144));
  }

  @Test
  void capabilitiesCommandLineAndPlatformAreThoseOfThePvAbi() {
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, 3, ARG));
    assertTrue((text(ARG) + " ").contains("xen-3.0-x86_64 "), text(ARG));
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, 9, ARG));
    assertEquals("<denied>", text(ARG));
    assertEquals(0, guest.hypercall(HypercallNumber.XEN_VERSION, 5, ARG));
    assertEquals(0xFFFF_8000_0000_0000L, vcpu.guest().getLong(ARG));
    assertEquals(4096, guest.hypercall(HypercallNumber.XEN_VERSION, 7, 0));
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.XEN_VERSION, 7, ARG));
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.XEN_VERSION, 10, ARG));
    assertEquals(0x40011, guest.hypercall(HypercallNumber.XEN_VERSION, 0, 1L << 40));
  }

  private long features(int index) {
    guest.step(c -> {
      vcpu.guest().putInt(ARG, index);
      return ScriptedVcpu.syscall(c, HypercallNumber.XEN_VERSION, 6, ARG);
    });
    return vcpu.state().gpr[CpuState.RAX];
  }

  @Test
  void featuresAreThoseOfAPvGuestWithoutPrivilege() {
    assertEquals(0, features(0));
    int map = vcpu.guest().getInt(ARG + 4);
    int expected = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 13 | 1 << 17;
    assertEquals(expected, map & (0xF | 1 << 11 | expected));
    assertEquals(0, map & 1 << 4, "4gb pgdir only with the assist");
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 0, 3));
    assertEquals(0, features(0));
    assertEquals(1 << 4, vcpu.guest().getInt(ARG + 4) & 1 << 4);
    assertEquals(-Errno.EINVAL, features(1));
  }

  // ---- vm_assist

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5, 32})
  void assistsOfA64BitGuestAreSwitchedOnAndOff(int type) {
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 0, type));
    assertTrue(vcpu.domain().assist(type));
    assertEquals(0, guest.hypercall(HypercallNumber.VM_ASSIST, 1, type));
    assertTrue(!vcpu.domain().assist(type));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.VM_ASSIST, 2, type));
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 31, 33, 64, -1})
  void thereAreNoOtherAssists(int type) {
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.VM_ASSIST, 0, type));
  }

  // ---- what is refused

  @Test
  void whatADomainWithoutPrivilegeOrHardwareIsToldIsAsTheAbiSays() {
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.XSM_OP, ARG));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.ARGO_OP, 1, ARG, 0, 0, 0));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.TMEM_OP, ARG));
    assertEquals(-Errno.ENOSYS, guest.hypercall(HypercallNumber.DM_OP, 0, 0, ARG));
    assertEquals(-Errno.EOPNOTSUPP, guest.hypercall(HypercallNumber.XENPMU_OP, 0, ARG));
    assertEquals(-Errno.EPERM, guest.hypercall(HypercallNumber.MCA, ARG));
    assertTrue(guest.hypercall(HypercallNumber.KEXEC_OP, 0, ARG) < 0);
    assertTrue(guest.hypercall(HypercallNumber.HVM_OP, 0, ARG) < 0);
    assertTrue(guest.hypercall(HypercallNumber.XENOPROF_OP, 0, ARG) < 0);
  }

  // ---- segment bases and the kernel's stack

  @Test
  void segmentBasesAreSetByNumber() {
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 0, 0x1000));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 1, 0x2000));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 2, 0x3000));
    assertEquals(0x1000, vcpu.state().fsBase);
    assertEquals(0x2000, vcpu.inactiveGsBase());
    assertEquals(0x3000, vcpu.state().gsBase);
    assertEquals(-Errno.EINVAL, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 4, 0));
  }

  @Test
  void aUserSelectorThatFaultsIsReplacedByNullAndSetsTheInactiveBase() {
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 1, 0x2000));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 2, 0x3000));
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 3, 0x50));
    assertEquals(0, vcpu.state().gs, "no such descriptor");
    assertEquals(0, vcpu.inactiveGsBase());
    assertEquals(0x3000, vcpu.state().gsBase, "the kernel's own stays");
    assertEquals(0, guest.hypercall(HypercallNumber.SET_SEGMENT_BASE, 3, 0xE02B));
    assertEquals(0xE02B, vcpu.state().gs);
  }

  @Test
  void anyStackIsTakenAndItsSelectorGetsRpl3() {
    assertEquals(0, guest.hypercall(HypercallNumber.STACK_SWITCH, 0x18, 1L << 47));
    guest.step(c -> Exit.BUDGET);
    assertEquals(-1, vcpu.domain().shutdownReason());
  }
}

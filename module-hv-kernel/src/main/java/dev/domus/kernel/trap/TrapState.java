package dev.domus.kernel.trap;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.engine.CpuState;
import dev.domus.memory.paging.Pte;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * The virtual trap and control state of one vCPU: what a real processor would keep in its IDT, TSS,
 * CR2, IOPL and debug registers, as the guest set it by hypercalls. Touched by the vCPU's own
 * thread only.
 */
public final class TrapState {
  /** Selector of the flat 64-bit code segment that guest code is entered with. */
  public static final int FLAT_KERNEL_CS = 0xE033;

  /** Selector of the flat stack segment that guest code is entered with. */
  public static final int FLAT_KERNEL_SS = 0xE02B;

  /** Bit of a trap's flags: events are masked on entry. */
  public static final int MASK_EVENTS = 4;

  /** Type of a callback in callback_op. */
  public static final int CALLBACK_EVENT = 0,
      CALLBACK_FAILSAFE = 1,
      CALLBACK_SYSCALL = 2,
      CALLBACK_NMI = 4;

  /** Type of a callback in callback_op. */
  public static final int CALLBACK_SYSENTER = 5, CALLBACK_SYSCALL32 = 7;

  private final long[] address = new long[256];
  private final byte[] flags = new byte[256];

  /** Event, failsafe and system-call entry points; 0 for none. */
  long eventCallback, failsafeCallback, syscallCallback, syscall32Callback, sysenterCallback;

  /** Whether the failsafe and the system-call callbacks mask events. */
  boolean failsafeMasks, syscallMasks, syscall32Masks, sysenterMasks;

  /** Stack on which the kernel is entered from user mode. */
  int kernelSs = FLAT_KERNEL_SS;

  /** Stack on which the kernel is entered from user mode. */
  long kernelSp;

  /** Virtual IOPL, 0 to 3. */
  int iopl;

  /** Virtual CR2. */
  long cr2;

  /** An NMI is to be delivered. */
  volatile boolean nmiPending;

  /** An NMI is being handled: no other until the next iret. */
  boolean nmiMasked;

  /** Ports that the guest's user mode may reach: bit set = refused, as in a TSS; null for none. */
  long iobitmapAddress;

  /** How many ports {@link #iobitmapAddress} covers. */
  int iobitmapPorts;

  /** The handler of a vector, or 0. */
  public long address(int vector) {
    return address[vector];
  }

  /** DPL of a vector's gate. */
  int dpl(int vector) {
    return flags[vector] & 3;
  }

  /** Says whether a vector's gate masks events. */
  boolean masksEvents(int vector) {
    return (flags[vector] & MASK_EVENTS) != 0;
  }

  /** Sets one vector's gate. */
  public void set(int vector, int gateFlags, long handler) {
    address[vector] = handler;
    flags[vector] = (byte) gateFlags;
  }

  /**
   * Writes gates, kernel stack and callbacks into a vcpu_guest_context.
   *
   * @return the context's flags that say which callbacks mask events
   */
  public long store(MemorySegment context) {
    for (int i = 0; i < address.length; i++) {
      long gate = VcpuGuestContextLayout.TRAPS + 16L * i;
      context.set(ValueLayout.JAVA_BYTE, gate, (byte) i);
      context.set(ValueLayout.JAVA_BYTE, gate + 1, flags[i]);
      context.set(ValueLayout.JAVA_SHORT, gate + 2, (short) FLAT_KERNEL_CS);
      context.set(ValueLayout.JAVA_LONG, gate + 8, address[i]);
    }
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.KERNEL_SS, kernelSs);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.KERNEL_SP, kernelSp);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.EVENT_CALLBACK, eventCallback);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.FAILSAFE_CALLBACK, failsafeCallback);
    context.set(ValueLayout.JAVA_LONG, VcpuGuestContextLayout.SYSCALL_CALLBACK, syscallCallback);
    return (failsafeMasks ? VcpuGuestContextLayout.FAILSAFE_DISABLES_EVENTS : 0)
        | (syscallMasks ? VcpuGuestContextLayout.SYSCALL_DISABLES_EVENTS : 0);
  }

  /** Clears all gates. */
  public void clear() {
    Arrays.fill(address, 0);
    Arrays.fill(flags, (byte) 0);
  }

  /** The stack on which the kernel is entered from user mode. */
  public void setKernelStack(int ss, long sp) {
    kernelSs = ss | 3;
    kernelSp = sp;
  }

  /**
   * Sets one entry point as callback_op does; 0 removes it. The NMI's is the gate of vector 2, so
   * that set_trap_table sets it too.
   *
   * @return 0, or −ENOSYS for a type that does not exist
   */
  public int setCallback(int type, long handler, boolean masksEvents) {
    switch (type) {
      case CALLBACK_EVENT -> eventCallback = handler;
      case CALLBACK_FAILSAFE -> {
        failsafeCallback = handler;
        failsafeMasks = masksEvents;
      }
      case CALLBACK_SYSCALL -> {
        syscallCallback = handler;
        syscallMasks = masksEvents;
      }
      case CALLBACK_NMI -> set(Vector.NMI, handler == 0 ? 0 : MASK_EVENTS, handler);
      case CALLBACK_SYSENTER -> {
        sysenterCallback = handler;
        sysenterMasks = masksEvents;
      }
      case CALLBACK_SYSCALL32 -> {
        syscall32Callback = handler;
        syscall32Masks = masksEvents;
      }
      default -> {
        return -Errno.ENOSYS;
      }
    }
    return 0;
  }

  /**
   * Sets the entry points as set_callbacks does: like three registrations without flags whose
   * answers nobody sees, so an address that is not canonical leaves its entry point as it was.
   */
  public void setCallbacks(long event, long failsafe, long syscall) {
    setCanonicalCallback(CALLBACK_EVENT, event);
    setCanonicalCallback(CALLBACK_FAILSAFE, failsafe);
    setCanonicalCallback(CALLBACK_SYSCALL, syscall);
  }

  private void setCanonicalCallback(int type, long handler) {
    if (Pte.isCanonical(handler)) {
      setCallback(type, handler, false);
    }
  }

  /** Says whether an NMI is to be delivered now. */
  public boolean nmiDeliverable() {
    return nmiPending && !nmiMasked;
  }

  /** Asks for an NMI; any thread. The vCPU has to be woken or kicked afterwards. */
  public void raiseNmi() {
    nmiPending = true;
  }

  /** The virtual IOPL. */
  public int iopl() {
    return iopl;
  }

  /** Sets the virtual IOPL. */
  public void setIopl(int level) {
    iopl = level;
  }

  /** Sets the I/O bitmap: its address in guest memory, and how many ports it covers. */
  public void setIobitmap(long va, int ports) {
    iobitmapAddress = va;
    iobitmapPorts = ports;
  }

  /** The fixed bits of a PV guest's RFLAGS applied to a value that the guest supplied. */
  public static long sanitise(long rflags) {
    return rflags & ~(CpuState.IOPL | CpuState.VM | CpuState.VIF | CpuState.VIP) & 0x3F7FD7L
        | CpuState.RFLAGS_ALWAYS;
  }
}

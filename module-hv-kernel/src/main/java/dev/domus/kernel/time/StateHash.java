package dev.domus.kernel.time;

import dev.domus.kernel.abi.VcpuGuestContextLayout;
import dev.domus.kernel.dispatch.RunstateInfo;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.domain.VcpuContext;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.engine.FpuState;
import dev.domus.kernel.mmu.MachineFrames;
import dev.domus.kernel.service.PortStatus;
import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;

/**
 * What a domain is at an instant, in one number: the same for two domains exactly if nothing that
 * the guest could ever find out differs, as far as SHA-256 can tell.
 *
 * <pre>
 *   virtual time
 *   every frame that the domain owns: frame number, P2M entry, contents
 *       (RAM, page tables, shared info with its pending bits, grant and status frames)
 *   every vCPU: the context that VCPUOP_initialise would take, MMX and SSE registers, instructions
 *       retired, masks and pending bits outside of memory, run state, timers
 *   every port: state, what it is bound to, who is told
 *   how the domain ended, if it has
 * </pre>
 *
 * <p>To be taken while the machine stands still. A page of zeros is told by a mark instead of its
 * contents; to look for one still has the host commit it.
 */
public final class StateHash {
  private static final int WORDS = 64;

  private final Domain domain;
  private final MessageDigest digest;
  private final ByteBuffer buffer =
      ByteBuffer.allocate(WORDS * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private StateHash(Domain domain) {
    this.domain = domain;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** The hash of a domain's present state, in hexadecimal. */
  public static String of(Domain domain) {
    return new StateHash(domain).compute();
  }

  private String compute() {
    put(domain.hypervisor().clock().systemNanos());
    memory();
    for (int id = 0; id < domain.vcpus(); id++) {
      vcpu(domain.vcpu(id));
    }
    ports();
    put(domain.shutdownReason());
    put(domain.paused() ? 1 : 0);
    flush();
    return HexFormat.of().formatHex(digest.digest());
  }

  private void memory() {
    MachineFrames frames = domain.hypervisor().machineFrames();
    MemorySegment memory = frames.memory();
    MemorySegment zeros = MemorySegment.ofArray(new byte[MachineMemory.FRAME_BYTES]);
    for (long mfn = 0; mfn < domain.hypervisor().frames(); mfn++) {
      if (frames.table().isAllocated(mfn) && frames.table().owner(mfn) == domain.domid()) {
        put(mfn);
        put(frames.m2p().pfn(mfn));
        put(frames.table().type(mfn));
        MemorySegment page =
            memory.asSlice(mfn << MachineMemory.FRAME_SHIFT, MachineMemory.FRAME_BYTES);
        boolean zero = page.mismatch(zeros) < 0;
        put(zero ? 0 : 1);
        if (!zero) {
          flush();
          digest.update(page.asByteBuffer());
        }
      }
    }
  }

  private void vcpu(Vcpu v) {
    MemorySegment context =
        MemorySegment.ofArray(new long[VcpuGuestContextLayout.SIZE / Long.BYTES]);
    VcpuContext.get(v, context);
    flush();
    digest.update(context.toArray(ValueLayout.JAVA_BYTE));
    CpuState s = v.state();
    put(s.rip, s.cr3, s.cr0, s.cr4, s.fsBase, s.gsBase, v.inactiveGsBase());
    put(s.retired, s.tscAux, s.ssShadow ? 1 : 0, s.cpuidFaults ? 1 : 0);
    put(s.dr);
    FpuState f = s.fpu;
    put(f.xmm);
    put(f.significand);
    for (int part : f.signExponent) {
      put(part);
    }
    put(f.mxcsr, f.fcw, f.fsw, f.ftw, f.fop, f.fip, f.fdp);
    put(v.kernelTable(), v.userTable(), v.kernelMode() ? 1 : 0, v.initialised() ? 1 : 0);
    put(v.online() ? 1 : 0, v.vcpuInfo(), v.upcallMask(), v.traps().nmiDeliverable() ? 1 : 0);
    put(v.traps().iopl());
    RunstateInfo runstate = new RunstateInfo();
    v.unit().runstate(runstate);
    put(runstate.state(), runstate.sinceNanos(), runstate.ranNanos());
    for (int state = RunstateInfo.RUNNING; state <= RunstateInfo.OFFLINE; state++) {
      put(runstate.nanosIn(state));
    }
    put(v.timers().deadlines());
  }

  private void ports() {
    Optional<PortStatus> status = domain.events().status(1);
    for (int port = 1; status.isPresent(); port++) {
      PortStatus p = status.get();
      if (p.state() != PortStatus.CLOSED) {
        put(port, p.state(), p.vcpu(), p.remoteDomid(), p.detail());
        put(domain.events().pendingState(port));
      }
      status = domain.events().status(port + 1);
    }
  }

  private void put(long... values) {
    for (long value : values) {
      if (!buffer.hasRemaining()) {
        flush();
      }
      buffer.putLong(value);
    }
  }

  private void flush() {
    digest.update(buffer.flip());
    buffer.clear();
  }
}

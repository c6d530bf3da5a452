package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Op;
import dev.domus.kernel.engine.CpuState;

/**
 * MOVS, CMPS, STOS, LODS and SCAS, with and without REP (Intel SDM vol. 1, 7.3.9).
 *
 * <p>Registers are brought up to date after every iteration, so a fault or a pause in the middle
 * leaves exactly what the processor would, and the instruction is simply executed again later. The
 * source may have an FS or GS base; the destination is ES:RDI, without one.
 *
 * <p>REP MOVS and REP STOS that run upwards go page by page: as many elements as fit into the rest
 * of both pages at once, charged to the budget as so many instructions. A copy whose destination
 * begins less than its length after its source repeats a pattern, and is done element by element.
 */
final class StringOp extends Op {
  private static final int RAX = CpuState.RAX,
      RCX = CpuState.RCX,
      RSI = CpuState.RSI,
      RDI = CpuState.RDI;
  private static final int MOVS = 0xA4, CMPS = 0xA6, STOS = 0xAA, LODS = 0xAC, SCAS = 0xAE;

  /** Below so many elements the page-wise path is not worth its set-up. */
  private static final int BULK = 4;

  private final int kind;
  private final int size;
  private final int segment;
  private final int repeat;
  private final int addressSize;
  private final long mask;

  StringOp(Insn insn) {
    super(insn);
    kind = insn.opcode & ~1;
    size = (insn.opcode & 1) == 0 ? 1 : insn.size;
    segment = insn.segmentBase();
    repeat = insn.repeat;
    addressSize = insn.addressSize ? 4 : 8;
    mask = insn.addressSize ? 0xFFFFFFFFL : -1;
  }

  @Override
  public void execute(Cpu c) {
    if (repeat == 0) {
      once(c);
      return;
    }
    long[] r = c.r;
    boolean compares = kind == CMPS || kind == SCAS;
    if ((r[RCX] & mask) == 0) {
      return;
    }
    boolean bulk = (kind == MOVS || kind == STOS) && (c.system & CpuState.DF) == 0;
    while (true) {
      long done = bulk && (r[RCX] & mask) >= BULK && c.remaining > BULK ? inPage(c) : 0;
      if (done == 0) {
        once(c);
        done = 1;
      }
      Registers.set(r, RCX, addressSize, r[RCX] - done);
      c.remaining -= done;
      if ((r[RCX] & mask) == 0 || compares && (c.res == 0) != (repeat == 0xF3)) {
        c.remaining++; // the block charges one for the instruction as such
        return;
      }
      if (c.mustPause()) {
        throw c.stop();
      }
    }
  }

  private void once(Cpu c) {
    long[] r = c.r;
    long source = (r[RSI] & mask) + r[segment];
    long destination = r[RDI] & mask;
    int sh = 64 - 8 * size;
    switch (kind) {
      case MOVS -> {
        c.mem.store(destination, c.mem.load(source, size), size);
        advance(c, RSI);
        advance(c, RDI);
      }
      case CMPS -> {
        long a = c.mem.load(source, size);
        Arithmetic.sub(c, sh, a, c.mem.load(destination, size));
        advance(c, RSI);
        advance(c, RDI);
      }
      case STOS -> {
        c.mem.store(destination, r[RAX], size);
        advance(c, RDI);
      }
      case LODS -> {
        Registers.set(r, RAX, size, c.mem.load(source, size));
        advance(c, RSI);
      }
      case SCAS -> {
        Arithmetic.sub(c, sh, r[RAX], c.mem.load(destination, size));
        advance(c, RDI);
      }
      default -> throw new IllegalStateException("not a string instruction opcode=" + kind);
    }
  }

  private void advance(Cpu c, int register) {
    long step = (c.system & CpuState.DF) == 0 ? size : -size;
    Registers.set(c.r, register, addressSize, c.r[register] + step);
  }

  /** Does what is left of both pages; 0 if this is not a case for it. */
  private long inPage(Cpu c) {
    long[] r = c.r;
    long destination = r[RDI] & mask;
    long source = (r[RSI] & mask) + r[segment];
    long count = Math.min(Math.min(r[RCX] & mask, c.remaining), room(destination));
    if (c.mem.mustGoSlowly(destination) || mask != -1) {
      return 0;
    }
    if (kind == MOVS) {
      count = Math.min(count, room(source));
      if (count < BULK || c.mem.mustGoSlowly(source)) {
        return 0;
      }
      long from = c.mem.toRead(source);
      long to = c.mem.toWrite(destination);
      if (c.mem.isIo(from) || c.mem.isIo(to)) {
        return 0;
      }
      if (to - from > 0 && to - from < count * size) {
        return 0;
      }
      c.mem.copy(from, to, (int) (count * size));
      r[RSI] += count * size;
    } else {
      if (count < BULK || !sameBytes(r[RAX])) {
        return 0;
      }
      long to = c.mem.toWrite(destination);
      if (c.mem.isIo(to)) {
        return 0;
      }
      c.mem.fill(to, (int) (count * size), (byte) r[RAX]);
    }
    r[RDI] += count * size;
    return count;
  }

  /** Elements from an address to the end of its page. */
  private long room(long va) {
    return (4096 - (va & 4095)) / size;
  }

  private boolean sameBytes(long value) {
    long sized = value << 64 - 8 * size;
    long pattern = (value & 0xFF) * 0x0101010101010101L << 64 - 8 * size;
    return sized == pattern;
  }
}

package dev.domus.engine.jvm.op;

import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.interp.Block;
import dev.domus.engine.jvm.interp.Cpu;
import dev.domus.engine.jvm.interp.Jump;
import dev.domus.engine.jvm.interp.Op;

/**
 * An arithmetic instruction and the conditional jump that follows it, as one operation: saves a
 * dispatch at the end of most blocks. Each class knows the class of its first half, so that the
 * compiler inlines it and the flags need not come back from memory. They exist only inside blocks;
 * single steps see the two instructions apart.
 */
final class FusedJumps {
  private FusedJumps() {}

  /** The jump of a pair. */
  private abstract static class Fused extends Jump {
    private final int code;
    private final Link taken;
    private final Link otherwise;

    Fused(Op first, Insn jump) {
      super(first, jump);
      code = jump.op() & 15;
      taken = new Link(jump.next() + (int) jump.imm);
      otherwise = new Link(jump.next());
    }

    final Block jump(Cpu c) {
      return c.condition(code) ? taken.follow(c) : otherwise.follow(c);
    }
  }

  /** The pair as one operation, or null if the first is not one of those that are fused. */
  static Jump fuse(Op first, Insn jump) {
    return switch (first) {
      case FastAlu.CmpRR32 op -> new CmpRR32(op, jump);
      case FastAlu.CmpRR64 op -> new CmpRR64(op, jump);
      case FastAlu.CmpRI32 op -> new CmpRI32(op, jump);
      case FastAlu.CmpRI64 op -> new CmpRI64(op, jump);
      case FastAluMemory.CmpRM32 op -> new CmpRM32(op, jump);
      case FastAluMemory.CmpRM64 op -> new CmpRM64(op, jump);
      case FastAluMemory.CmpMR32 op -> new CmpMR32(op, jump);
      case FastAluMemory.CmpMR64 op -> new CmpMR64(op, jump);
      case FastAluMemory.CmpMI8 op -> new CmpMI8(op, jump);
      case FastAluMemory.CmpMI32 op -> new CmpMI32(op, jump);
      case FastAluMemory.CmpMI64 op -> new CmpMI64(op, jump);
      case FastAlu.CmpRI8 op -> new CmpRI8(op, jump);
      case FastAlu.CmpRR8 op -> new CmpRR8(op, jump);
      case FastAlu.TestRR8 op -> new TestRR8(op, jump);
      case FastAlu.TestRR32 op -> new TestRR32(op, jump);
      case FastAlu.TestRR64 op -> new TestRR64(op, jump);
      case FastAlu.TestRI8 op -> new TestRI8(op, jump);
      case FastAlu.TestRI32 op -> new TestRI32(op, jump);
      case FastAlu.TestRI64 op -> new TestRI64(op, jump);
      case FastAluMemory.TestMI8 op -> new TestMI8(op, jump);
      case FastAlu.DecR32 op -> new DecR32(op, jump);
      case FastAlu.DecR64 op -> new DecR64(op, jump);
      case FastAlu.IncR32 op -> new IncR32(op, jump);
      case FastAlu.IncR64 op -> new IncR64(op, jump);
      case FastAlu.SubRI32 op -> new SubRI32(op, jump);
      case FastAlu.SubRI64 op -> new SubRI64(op, jump);
      case FastAlu.AddRI32 op -> new AddRI32(op, jump);
      case FastAlu.AddRI64 op -> new AddRI64(op, jump);
      case FastAlu.SubRR32 op -> new SubRR32(op, jump);
      case FastAlu.SubRR64 op -> new SubRR64(op, jump);
      case FastAlu.AddRR32 op -> new AddRR32(op, jump);
      case FastAlu.AddRR64 op -> new AddRR64(op, jump);
      case FastAlu.AndRI32 op -> new AndRI32(op, jump);
      case FastAlu.AndRI64 op -> new AndRI64(op, jump);
      default -> null;
    };
  }

  private static final class CmpRR32 extends Fused {
    private final FastAlu.CmpRR32 first;

    CmpRR32(FastAlu.CmpRR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRR64 extends Fused {
    private final FastAlu.CmpRR64 first;

    CmpRR64(FastAlu.CmpRR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRI32 extends Fused {
    private final FastAlu.CmpRI32 first;

    CmpRI32(FastAlu.CmpRI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRI64 extends Fused {
    private final FastAlu.CmpRI64 first;

    CmpRI64(FastAlu.CmpRI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRM32 extends Fused {
    private final FastAluMemory.CmpRM32 first;

    CmpRM32(FastAluMemory.CmpRM32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRM64 extends Fused {
    private final FastAluMemory.CmpRM64 first;

    CmpRM64(FastAluMemory.CmpRM64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpMR32 extends Fused {
    private final FastAluMemory.CmpMR32 first;

    CmpMR32(FastAluMemory.CmpMR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpMR64 extends Fused {
    private final FastAluMemory.CmpMR64 first;

    CmpMR64(FastAluMemory.CmpMR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpMI8 extends Fused {
    private final FastAluMemory.CmpMI8 first;

    CmpMI8(FastAluMemory.CmpMI8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpMI32 extends Fused {
    private final FastAluMemory.CmpMI32 first;

    CmpMI32(FastAluMemory.CmpMI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpMI64 extends Fused {
    private final FastAluMemory.CmpMI64 first;

    CmpMI64(FastAluMemory.CmpMI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRI8 extends Fused {
    private final FastAlu.CmpRI8 first;

    CmpRI8(FastAlu.CmpRI8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class CmpRR8 extends Fused {
    private final FastAlu.CmpRR8 first;

    CmpRR8(FastAlu.CmpRR8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRR8 extends Fused {
    private final FastAlu.TestRR8 first;

    TestRR8(FastAlu.TestRR8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRR32 extends Fused {
    private final FastAlu.TestRR32 first;

    TestRR32(FastAlu.TestRR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRR64 extends Fused {
    private final FastAlu.TestRR64 first;

    TestRR64(FastAlu.TestRR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRI8 extends Fused {
    private final FastAlu.TestRI8 first;

    TestRI8(FastAlu.TestRI8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRI32 extends Fused {
    private final FastAlu.TestRI32 first;

    TestRI32(FastAlu.TestRI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestRI64 extends Fused {
    private final FastAlu.TestRI64 first;

    TestRI64(FastAlu.TestRI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class TestMI8 extends Fused {
    private final FastAluMemory.TestMI8 first;

    TestMI8(FastAluMemory.TestMI8 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class DecR32 extends Fused {
    private final FastAlu.DecR32 first;

    DecR32(FastAlu.DecR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class DecR64 extends Fused {
    private final FastAlu.DecR64 first;

    DecR64(FastAlu.DecR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class IncR32 extends Fused {
    private final FastAlu.IncR32 first;

    IncR32(FastAlu.IncR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class IncR64 extends Fused {
    private final FastAlu.IncR64 first;

    IncR64(FastAlu.IncR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class SubRI32 extends Fused {
    private final FastAlu.SubRI32 first;

    SubRI32(FastAlu.SubRI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class SubRI64 extends Fused {
    private final FastAlu.SubRI64 first;

    SubRI64(FastAlu.SubRI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AddRI32 extends Fused {
    private final FastAlu.AddRI32 first;

    AddRI32(FastAlu.AddRI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AddRI64 extends Fused {
    private final FastAlu.AddRI64 first;

    AddRI64(FastAlu.AddRI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class SubRR32 extends Fused {
    private final FastAlu.SubRR32 first;

    SubRR32(FastAlu.SubRR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class SubRR64 extends Fused {
    private final FastAlu.SubRR64 first;

    SubRR64(FastAlu.SubRR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AddRR32 extends Fused {
    private final FastAlu.AddRR32 first;

    AddRR32(FastAlu.AddRR32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AddRR64 extends Fused {
    private final FastAlu.AddRR64 first;

    AddRR64(FastAlu.AddRR64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AndRI32 extends Fused {
    private final FastAlu.AndRI32 first;

    AndRI32(FastAlu.AndRI32 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }

  private static final class AndRI64 extends Fused {
    private final FastAlu.AndRI64 first;

    AndRI64(FastAlu.AndRI64 first, Insn jump) {
      super(first, jump);
      this.first = first;
    }

    @Override
    public Block follow(Cpu c) {
      first.execute(c);
      return jump(c);
    }
  }
}

package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Insn;

/**
 * The last operation of a block: says where to go on.
 *
 * <p>A jump inside its page holds its target block once found, for as long as both live: all blocks
 * of a page die together. A jump to another page remembers the target together with what it depends
 * on: its own linear address, the generation of the TLB, and the version of the target's frame.
 */
public abstract class Jump extends Op {
  /** How many instructions it stands for: 0 to 2. */
  final int instructions;

  /** Takes the position from the decoded form. */
  protected Jump(Insn insn) {
    super(insn);
    instructions = 1;
  }

  /** Two instructions in one. */
  protected Jump(Op first, Insn jump) {
    super(first, jump);
    instructions = 2;
  }

  Jump(int at) {
    super(at);
    instructions = 0;
  }

  /**
   * Executes the instruction.
   *
   * @return the block to go on with, {@link Cpu#r}[PAGE] being the address of its page; or null:
   *     look at {@link Cpu#exit}, then go on at {@link Cpu#rip}
   */
  public abstract Block follow(Cpu c);

  @Override
  public final void execute(Cpu c) {
    follow(c);
  }

  /** Leaves to an address that may hold anything; the fast way for indirect jumps. */
  protected static Block leave(Cpu c, long va) {
    c.rip = va;
    return c.code.cached(c, va);
  }

  /** Leaves to an address by way of the outer loop, which looks at events first. */
  protected static Block leaveSlowly(Cpu c, long va) {
    c.rip = va;
    return null;
  }

  /** One static successor. */
  protected static final class Link {
    private final int offset;
    private final boolean near;
    private Block block;
    private long va;
    private long generation;

    /** A successor at an offset relative to the page of the jump. */
    public Link(int offset) {
      this.offset = offset;
      this.near = offset >= 0 && offset < 4096;
    }

    /** The linear address. */
    public long target(Cpu c) {
      return c.r[Insn.PAGE] + offset;
    }

    /** Goes there. */
    public Block follow(Cpu c) {
      Block b = block;
      if (near && b != null) {
        return b;
      }
      return find(c, b);
    }

    private Block find(Cpu c, Block b) {
      long target = c.r[Insn.PAGE] + offset;
      if (!near
          && b != null
          && va == target
          && generation == c.mem.generation()
          && c.code.isCurrent(b)) {
        c.r[Insn.PAGE] = target & -4096;
        return b;
      }
      c.checkTarget(target);
      c.rip = target;
      Block found = c.code.cached(c, target);
      if (found != null) {
        block = found;
        va = target;
        generation = c.mem.generation();
      }
      return found;
    }
  }
}

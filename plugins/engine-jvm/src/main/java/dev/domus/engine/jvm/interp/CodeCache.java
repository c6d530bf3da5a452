package dev.domus.engine.jvm.interp;

import dev.domus.engine.jvm.decode.Decoder;
import dev.domus.engine.jvm.decode.Insn;
import dev.domus.engine.jvm.memory.CodeWatcher;
import dev.domus.engine.jvm.memory.GuestFault;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.memory.CodeFrames;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * The decoded code of one vCPU, keyed by machine frame, and the protocol that keeps it true to
 * memory.
 *
 * <p><b>Before decoding</b> from a frame: mark it ({@link CodeFrames#watch}), take the right to
 * store to it unnoticed from this vCPU's TLB and, through the kernel, from everybody else's; only
 * then read its bytes. From then on every store to the frame is reported and moves the frame's
 * version.
 *
 * <p><b>Before executing</b> from the cache the versions are compared: whenever a page is entered
 * from another page or from outside. Inside a page no check is made; that is sound for this vCPU's
 * own stores, since those arrive at {@link #storedToCode} at once, and enough for others', since
 * x86 asks for a serializing instruction (or at least leaves the time open) in cross-modifying code
 * (Intel SDM vol. 3, 9.1.3), and serializing instructions leave the page here.
 *
 * <p><b>Own stores</b> take effect on the very next instruction: all blocks of the page are made to
 * break off, so the rest of the running block is decoded anew. If a store does not touch a 64-byte
 * line that instructions were decoded from, the blocks stay; the frame stays watched too, because
 * giving the watch up and taking it again costs far more than a slow store.
 *
 * <p><b>A version that has moved</b> does not by itself discard blocks: the frame is watched again
 * and its bytes are compared with those that were decoded.
 *
 * <p>An instruction that crosses into another page is a block of its own. It depends on two frames
 * and a translation, is checked every time and never linked to.
 */
public final class CodeCache implements CodeWatcher {
  private static final int JUMP_ENTRIES = 4096;

  /** The most instructions in a block. */
  static final int MAX_BLOCK = 48;

  private static final int MAX_PAGES = 16384;

  private final CodeFrames codeFrames;
  private final EngineVcpu vcpu;
  private final InstructionSet instructions;
  private final Decoder decoder = new Decoder();
  private final CodePage[][] pages;
  private int pageCount;

  /** The frame last announced, and the version it was watched at. */
  private long announcedMfn = -1;

  private int announcedVersion;

  private final long[] jumpVa = new long[JUMP_ENTRIES];
  private final long[] jumpGeneration = new long[JUMP_ENTRIES];
  private final Block[] jumpBlock = new Block[JUMP_ENTRIES];
  private final byte[] scratch = new byte[CodePage.SIZE];

  CodeCache(CodeFrames codeFrames, long frames, EngineVcpu vcpu, InstructionSet instructions) {
    this.codeFrames = codeFrames;
    this.vcpu = vcpu;
    this.instructions = instructions;
    this.pages = new CodePage[(int) (frames + 511 >> 9)][];
  }

  private static int slot(long va) {
    return (int) (va ^ va >>> 12) & JUMP_ENTRIES - 1;
  }

  boolean isCurrent(Block b) {
    return codeFrames.version(b.page.mfn) == b.page.version;
  }

  /**
   * The block at an address if it can be had without a page walk or decoding, with its page
   * entered; else null.
   */
  public Block cached(Cpu c, long va) {
    int slot = slot(va);
    Block b = jumpBlock[slot];
    if (b != null
        && jumpVa[slot] == va
        && jumpGeneration[slot] == c.mem.generation()
        && isCurrent(b)) {
      c.r[Insn.PAGE] = va & -4096;
      return b;
    }
    return null;
  }

  /**
   * The block at an address, with its page entered. Faults as the fetch of its first instruction
   * does.
   */
  Block find(Cpu c, long va) {
    Block b = cached(c, va);
    while (b == null) {
      b = look(c, va, MAX_BLOCK);
    }
    return b;
  }

  /** A block of the one instruction at an address, for single steps; it is not kept. */
  Block findOne(Cpu c, long va) {
    Block b = null;
    while (b == null) {
      b = look(c, va, 1);
    }
    return b;
  }

  /**
   * Translates, and finds or decodes the block.
   *
   * @param most instructions in the block; blocks of one are neither kept nor found
   * @return the block, or null if translations were dropped meanwhile: announcing a watch lets the
   *     kernel flush this vCPU too, and what was translated before must not be used after
   */
  private Block look(Cpu c, long va, int most) {
    long generation = c.mem.generation();
    long ma = c.mem.fetchAddress(va);
    int at = (int) va & 4095;
    CodePage page = currentPage(c, ma >>> 12);
    if (page == null) {
      return null;
    }
    c.r[Insn.PAGE] = va & -4096;
    Block b = most == 1 ? null : page.find(at);
    if (b != null && b.tailMfn >= 0 && !tailIsCurrent(c, b, va)) {
      page.remove(b);
      b = null;
    }
    if (b == null) {
      if (page.stale) {
        c.mem.copyOut(ma & -4096, scratch, 0, CodePage.SIZE);
        page.refresh(scratch);
      }
      b = decode(c, page, at, va, most);
      if (b == null || most == 1) {
        return b;
      }
      page.add(b);
    }
    if (b.tailMfn < 0) {
      int slot = slot(va);
      jumpVa[slot] = va;
      jumpGeneration[slot] = generation;
      jumpBlock[slot] = b;
    }
    return b;
  }

  private boolean tailIsCurrent(Cpu c, Block b, long va) {
    long mfn = c.mem.fetchAddress((va | 4095) + 1) >>> 12;
    return mfn == b.tailMfn && codeFrames.version(mfn) == b.tailVersion;
  }

  // ---- pages ----

  private CodePage pageOf(long mfn) {
    CodePage[] group = pages[(int) (mfn >>> 9)];
    return group == null ? null : group[(int) mfn & 511];
  }

  private void setPage(long mfn, CodePage page) {
    CodePage[] group = pages[(int) (mfn >>> 9)];
    if (group == null) {
      group = new CodePage[512];
      pages[(int) (mfn >>> 9)] = group;
    }
    group[(int) mfn & 511] = page;
  }

  /**
   * What is decoded of a frame, brought up to date; null if translations were dropped meanwhile.
   */
  private CodePage currentPage(Cpu c, long mfn) {
    CodePage page = pageOf(mfn);
    if (page != null && codeFrames.version(mfn) == page.version) {
      return page;
    }
    long generation = c.mem.generation();
    int version = watch(c, mfn);
    if (generation != c.mem.generation()) {
      return null;
    }
    c.mem.copyOut(mfn << 12, scratch, 0, CodePage.SIZE);
    if (page == null || !page.accept(scratch)) {
      if (page == null && ++pageCount > MAX_PAGES) {
        clear();
      }
      page = new CodePage(mfn);
      System.arraycopy(scratch, 0, page.bytes, 0, CodePage.SIZE);
      setPage(mfn, page);
    }
    page.version = version;
    return page;
  }

  /**
   * Watches a frame and has everybody told, unless that was the last thing done: then a flush came
   * in between, and to announce again could go on for ever between two vCPUs that flush each other.
   */
  private int watch(Cpu c, long mfn) {
    boolean announced = mfn == announcedMfn && codeFrames.watched(mfn);
    int version = codeFrames.watch(mfn);
    if (!announced || version != announcedVersion) {
      announcedMfn = mfn;
      announcedVersion = version;
      c.mem.watchStoresTo(mfn);
      vcpu.codeWatched(mfn);
    }
    return version;
  }

  /** Forgets everything that was decoded. */
  void clear() {
    Arrays.fill(pages, null);
    Arrays.fill(jumpBlock, null);
    pageCount = 1;
  }

  @Override
  public void storedToCode(long ma, int size) {
    long mfn = ma >>> 12;
    int at = (int) ma & 4095;
    CodePage page = pageOf(mfn);
    if (page != null && page.holdsCode(at, size)) {
      page.breakOff();
      setPage(mfn, null);
      pageCount--;
      codeFrames.written(mfn);
    } else if (page != null && (++page.dataStores & 0xFFF) != 0) {
      page.stale = true;
      int version = codeFrames.rewritten(mfn);
      if (page.version == version - 1) {
        page.version = version;
      } else {
        page.breakOff(); // someone else wrote it too, or stopped watching it: look at it again
        setPage(mfn, null);
        pageCount--;
      }
    } else {
      if (page != null) {
        page.breakOff(); // now and then see whether it still is a page that code runs from
        setPage(mfn, null);
        pageCount--;
      }
      codeFrames.written(mfn);
    }
  }

  // ---- decoding ----

  private Block decode(Cpu c, CodePage page, int at, long va, int most) {
    List<Op> ops = new ArrayList<>();
    int position = at;
    Jump end = null;
    while (end == null && ops.size() < most && position < CodePage.SIZE) {
      Insn insn = decoder.decode(page.bytes, position, CodePage.SIZE, position);
      if (insn == null) {
        if (position == at) {
          return decodeCrossing(c, page, at, va);
        }
        break;
      }
      Op op = lower(insn);
      position = insn.next();
      if (op instanceof Jump jump) {
        Jump both = ops.isEmpty() ? null : instructions.fuse(ops.getLast(), insn);
        if (both != null) {
          ops.removeLast();
        }
        end = both != null ? both : jump;
      } else {
        op.before = ops.size();
        ops.add(op);
      }
    }
    if (end == null) {
      end = new Fall(position);
    }
    return new Block(page, at, position - at, ops.toArray(Op[]::new), end);
  }

  private Block decodeCrossing(Cpu c, CodePage page, int at, long va) {
    int inPage = CodePage.SIZE - at;
    long tail = c.mem.fetchAddress((va | 4095) + 1);
    long generation = c.mem.generation();
    int version = watch(c, tail >>> 12);
    if (generation != c.mem.generation()) {
      return null;
    }
    byte[] bytes = new byte[2 * Decoder.MAX_LENGTH];
    System.arraycopy(page.bytes, at, bytes, 0, inPage);
    c.mem.copyOut(tail, bytes, inPage, Decoder.MAX_LENGTH);
    Insn insn = decoder.decode(bytes, 0, bytes.length, at);
    Op op = lower(insn);
    Block block =
        op instanceof Jump jump
            ? new Block(page, at, inPage, new Op[0], jump)
            : new Block(page, at, inPage, new Op[] {op}, new Fall(insn.next()));
    block.tailMfn = tail >>> 12;
    block.tailVersion = version;
    return block;
  }

  /** One line on the instruction at an address: its bytes, and its opcode if it is undefined. */
  String describe(Cpu c, long va) {
    byte[] bytes = new byte[Decoder.MAX_LENGTH];
    int length = 0;
    try {
      while (length < bytes.length) {
        c.mem.copyOut(c.mem.fetchAddress(va + length), bytes, length, 1);
        length++;
      }
    } catch (GuestFault f) {
      if (length == 0) {
        return "unreadable";
      }
    }
    Insn insn = decoder.decode(bytes, 0, length, (int) va & 4095);
    String hex =
        HexFormat.ofDelimiter(" ").formatHex(bytes, 0, insn == null ? length : insn.length);
    if (insn == null) {
      return hex + " (goes on where nothing can be read)";
    }
    boolean undefined = lower(insn) instanceof Faulting f && f.isUndefined();
    String map = new String[] {"", "0f ", "0f 38 ", "0f 3a "}[insn.opcode >> 8];
    return undefined
        ? "%s (undefined: %sopcode %s%02x)".formatted(hex, insn.vex ? "VEX " : "", map, insn.op())
        : hex;
  }

  private Op lower(Insn insn) {
    if (insn.tooLong) {
      return new Faulting(insn, GuestFault.GP);
    }
    return insn.undefined ? new Faulting(insn, GuestFault.UD) : instructions.lower(insn);
  }
}

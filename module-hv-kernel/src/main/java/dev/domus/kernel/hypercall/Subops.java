package dev.domus.kernel.hypercall;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * What there is of a hypercall: each sub-operation by its number, and whether it is done. A class
 * that implements a hypercall says it of itself, beside the code; docs/hypercalls.md and {@code
 * domus hypercalls} are made from it, and a test makes every call and compares.
 */
public final class Subops {
  /** Where a caller says which sub-operation it wants. */
  public enum Selector {
    /** There are none: the hypercall is one operation. */
    NONE,
    /** In the first argument, as far as the mask says. */
    ARGUMENT,
    /** In the first 32 bits of the structure that the first argument points to. */
    STRUCTURE,
    /** In the low three bits of the first 64 bits that the first argument points to. */
    LOW_BITS
  }

  /** What there is of an operation. */
  public enum State {
    /** As the ABI has it. */
    DONE,
    /** Answered with an error on purpose. */
    REFUSED,
    /** Not built: answered as one that does not exist. */
    ABSENT
  }

  /**
   * One sub-operation.
   *
   * @param command its number; 0 if the hypercall has none
   * @param name as the ABI's headers have it, in lower case and without prefix; empty if the
   *     hypercall has none
   * @param why what is refused or absent, and why; empty if it is done
   */
  public record Subop(int command, String name, State state, String why) {}

  /** A hypercall that is one operation, and done. */
  public static final Subops NONE = new Subops(Selector.NONE, 0).done(0, "");

  private final Selector selector;
  private final int mask;
  private final List<Subop> list = new ArrayList<>();

  private Subops(Selector selector, int mask) {
    this.selector = selector;
    this.mask = mask;
  }

  /** For a hypercall that is one operation, and refused. */
  static Subops refused(String why) {
    return new Subops(Selector.NONE, 0).refused(0, "", why);
  }

  /** For a hypercall whose first argument is the command. */
  public static Subops byArgument() {
    return byArgument(-1);
  }

  /** For a hypercall whose first argument has the command in some of its bits. */
  public static Subops byArgument(int mask) {
    return new Subops(Selector.ARGUMENT, mask);
  }

  /** For a hypercall whose first argument points to what starts with the command. */
  public static Subops byStructure() {
    return new Subops(Selector.STRUCTURE, -1);
  }

  /** For a hypercall whose first argument points to what has the command in its low three bits. */
  public static Subops byLowBits() {
    return new Subops(Selector.LOW_BITS, 7);
  }

  /** Enters one that is done. */
  public Subops done(int command, String name) {
    return add(new Subop(command, name, State.DONE, ""));
  }

  /** Enters one that is refused, with the reason. */
  public Subops refused(int command, String name, String why) {
    return add(new Subop(command, name, State.REFUSED, why));
  }

  /** Enters one that is not there, with what is missing. */
  public Subops absent(int command, String name, String why) {
    return add(new Subop(command, name, State.ABSENT, why));
  }

  /** Enters one. */
  Subops add(Subop subop) {
    if (list.stream().anyMatch(s -> s.command == subop.command)) {
      throw new IllegalArgumentException("entered twice: subop=" + subop);
    }
    list.add(subop);
    return this;
  }

  /** Where the command is. */
  public Selector selector() {
    return selector;
  }

  /** Which bits of the first argument are the command. */
  public int mask() {
    return mask;
  }

  /** The sub-operations, in the order in which they were entered. */
  public List<Subop> list() {
    return Collections.unmodifiableList(list);
  }
}

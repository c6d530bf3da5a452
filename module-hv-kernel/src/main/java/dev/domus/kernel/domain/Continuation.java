package dev.domus.kernel.domain;

/**
 * What is left of a long hypercall that answers {@code CONTINUE}: the first arguments with which
 * the guest executes it again (xen-pv-abi.md, 4.1). Touched by the vCPU's own thread only.
 */
public final class Continuation {
  private long first, second, third;
  private boolean hasThird;

  Continuation() {}

  /** Leaves two arguments; the third stays as it was. */
  public void leave(long newFirst, long newSecond) {
    first = newFirst;
    second = newSecond;
    hasThird = false;
  }

  /** Leaves three arguments. */
  public void leave(long newFirst, long newSecond, long newThird) {
    leave(newFirst, newSecond);
    third = newThird;
    hasThird = true;
  }

  /** The first argument. */
  public long first() {
    return first;
  }

  /** The second argument. */
  public long second() {
    return second;
  }

  /**
   * The third argument.
   *
   * @param before what it was
   */
  public long third(long before) {
    return hasThird ? third : before;
  }
}

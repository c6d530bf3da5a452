package dev.domus.kernel.model;

/**
 * Translations that a vCPU must not use any more once an operation is done: these at least, for
 * more may always be forgotten. What the guest did not ask for and need not be promised is in none.
 *
 * @param of address of the page, or frame number of the L4 table; otherwise 0
 */
record Owed(int domid, int vcpu, What what, long of) {
  enum What {
    /** Whatever was found before. */
    EVERYTHING,
    /** Of one page, under every base. */
    PAGE,
    /** What was found under one base. */
    ADDRESS_SPACE,
    /** What a walk would find no more: a base was loaded. */
    UNTRUE
  }

  @Override
  public String toString() {
    String which =
        switch (what) {
          case EVERYTHING -> "everything";
          case PAGE -> "page 0x%x".formatted(of);
          case ADDRESS_SPACE -> "what was found under mfn=0x%x".formatted(of);
          case UNTRUE -> "what is not so any more";
        };
    return "vCPU %d of domain %d forgets %s".formatted(vcpu, domid, which);
  }
}

package dev.domus.kernel.model;

/**
 * One operation of a domain: carried out on the machine, then on the model, and the answers
 * compared. Every step can be taken in every state, so a sequence can be shortened anywhere.
 */
sealed interface Step permits TableStep, MemoryStep, GrantStep, OutsideStep, Step.On {
  /** Which of the domains acts. */
  int domain();

  /** Which of its vCPUs, if that is up; else the first. */
  default int vcpu() {
    return 0;
  }

  /** Carries the step out on both. */
  void run(Twin twin);

  /** A domain as hypercalls name it. */
  enum Whom {
    SELF,
    OWN_ID,
    NEIGHBOUR,
    THIRD,
    NOBODY,
    IO,
    XEN;

    int id(Twin twin, int caller) {
      return switch (this) {
        case SELF -> MemoryModel.SELF;
        case OWN_ID -> twin.domid(caller);
        case NEIGHBOUR, THIRD -> twin.domid(domain(caller));
        case NOBODY -> 4711;
        case IO -> MemoryModel.IO;
        case XEN -> MemoryModel.XEN;
      };
    }

    /** Which of the domains that is; the caller if it is none. */
    int domain(int caller) {
      return switch (this) {
        case NEIGHBOUR -> (caller + 1) % Twin.DOMAINS;
        case THIRD -> (caller + 2) % Twin.DOMAINS;
        default -> caller;
      };
    }

    /** The caller itself, by whatever name. */
    boolean isSelf() {
      return this == SELF || this == OWN_ID;
    }
  }

  /** What update_va_mapping is to flush. */
  enum Flush {
    NONE(0),
    TLB_LOCAL(1),
    PAGE_LOCAL(2),
    TLB_ALL(5),
    PAGE_ALL(6),
    TLB_SET(Twin.VCPU_SET | 1),
    PAGE_SET(Twin.VCPU_SET | 2),
    BAD_SET(0x4000_0000_0001L),
    UNUSED_BAD_SET(0x4000_0000_0000L);

    final long bits;

    Flush(long bits) {
      this.bits = bits;
    }
  }

  /** A linear address by its indices. */
  record Va(int l4, int l3, int l2, int l1) {
    long address() {
      long va = (long) l4 << 39 | (long) l3 << 30 | (long) l2 << 21 | (long) l1 << 12;
      return va << 16 >> 16;
    }

    @Override
    public String toString() {
      return "va[%d.%d.%d.%d]".formatted(l4, l3, l2, l1);
    }
  }

  /** Another vCPU of the domain than the first does it. */
  record On(int vcpu, Step step) implements Step {
    @Override
    public int domain() {
      return step.domain();
    }

    @Override
    public void run(Twin twin) {
      step.run(twin);
    }

    @Override
    public String toString() {
      return "vCPU " + vcpu + ": " + step;
    }
  }
}

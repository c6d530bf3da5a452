package dev.domus.kernel.trap;

/** Exception vectors (Intel SDM vol. 3, 6.3.1). */
public final class Vector {
  /** Vector number. */
  public static final int DE = 0,
      DB = 1,
      NMI = 2,
      BP = 3,
      OF = 4,
      BR = 5,
      UD = 6,
      NM = 7,
      DF = 8,
      TS = 10,
      NP = 11;

  /** Vector number. */
  public static final int SS = 12, GP = 13, PF = 14, MF = 16, AC = 17, MC = 18, XM = 19, CP = 21;

  private static final String[] NAMES = {
    "#DE divide error",
    "#DB debug",
    "NMI",
    "#BP breakpoint",
    "#OF overflow",
    "#BR bound",
    "#UD invalid opcode",
    "#NM device not available",
    "#DF double fault",
    "9",
    "#TS invalid TSS",
    "#NP segment not present",
    "#SS stack fault",
    "#GP general protection",
    "#PF page fault",
    "15",
    "#MF x87 fault",
    "#AC alignment check",
    "#MC machine check",
    "#XM SIMD fault"
  };

  private Vector() {}

  /** Says whether the processor pushes an error code for the vector. */
  public static boolean hasErrorCode(int vector) {
    return switch (vector) {
      case DF, TS, NP, SS, GP, PF, AC, CP -> true;
      default -> false;
    };
  }

  /** Mnemonic and name, for messages. */
  public static String name(int vector) {
    return vector < NAMES.length ? NAMES[vector] : "vector " + vector;
  }
}

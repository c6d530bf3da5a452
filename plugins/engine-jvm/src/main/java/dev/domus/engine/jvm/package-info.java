/**
 * The engine that needs nothing but a JVM: x86-64 code at CPL 3 in 64-bit mode, decoded and
 * interpreted.
 *
 * <p>Start at {@link dev.domus.engine.jvm.JvmEngine}. {@code decode} turns bytes into instructions,
 * {@code op} gives them meaning, {@code interp} runs them, {@code memory} is the address space they
 * run in. Imports run one way: {@code decode} and {@code memory} know nobody, {@code interp} knows
 * both, {@code op} knows all three.
 *
 * <p>The guest's processor is AMD's, with x87, MMX, SSE and SSE2, POPCNT, LZCNT, BMI1, BMI2, ADX,
 * MOVBE, CRC32, CMPXCHG16B, FSGSBASE, RDTSCP and RDPID. What the CPUID policy shows may be less.
 *
 * <p>What is not done, or not as a processor does it:
 *
 * <ul>
 *   <li>Code segments of 32 bits are not run: a transfer to one is #GP(selector).
 *   <li>SSE3 and later, AVX, XSAVE and RDRAND are #UD (but MOVDDUP and its like, LDDQU and FISTTP
 *       are there).
 *   <li>SSE: the exception flags of MXCSR are never set and no exception is unmasked; rounding
 *       modes other than to nearest, flush-to-zero and denormals-are-zero are ignored by arithmetic
 *       (conversions to integers do round as asked); RCPPS and RSQRTPS are more exact than on
 *       processors.
 *   <li>x87: exceptions are recorded but never raise #MF; C1 does not say how a result was rounded;
 *       the transcendental functions have the precision of a double; FOP, FIP and FDP are not kept.
 *   <li>CMPXCHG16B, and locked operations across an aligned quadword, are atomic among themselves
 *       and not against other stores to the same bytes.
 *   <li>Descriptors' accessed bits are not set, and call gates are #GP(selector).
 *   <li>A code page changed by another vCPU is noticed when the page is entered, when a run begins,
 *       and at serializing instructions; not inside a loop that never leaves the page.
 * </ul>
 */
package dev.domus.engine.jvm;

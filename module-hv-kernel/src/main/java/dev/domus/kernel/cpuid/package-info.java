/** The processor that guests see: CPUID leaves and what follows from them for CR4. */
package dev.domus.kernel.cpuid;

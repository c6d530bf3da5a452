package dev.domus.kernel.mmu;

import dev.domus.kernel.engine.Invalidation;

/** The cached translations of all vCPUs of a domain, as its MMU has them dropped. */
@FunctionalInterface
public interface VcpuTranslations {
  /**
   * Makes every vCPU of the domain drop translations, and returns when none of them can use one of
   * these that was made before the call. Any thread that is not inside guest mode; takes no lock.
   *
   * @param invalidation one of {@link Invalidation}'s; an {@link Invalidation.Kind#ADDRESS_SPACE}
   *     concerns the vCPUs that have its table as a base pointer, and is asked for under the MMU
   *     lock, so that these are known
   */
  void invalidate(long invalidation);
}

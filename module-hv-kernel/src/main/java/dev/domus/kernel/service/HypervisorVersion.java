package dev.domus.kernel.service;

/**
 * What xen_version says of the hypervisor.
 *
 * @param major of the ABI that it speaks
 * @param minor of the ABI that it speaks
 * @param extra what follows in the version's text
 * @param features XENFEAT bits 0 to 31
 */
public record HypervisorVersion(int major, int minor, String extra, int features) {
  /** Feature bit: the domain's frame numbers are translated by the hypervisor. */
  public static final int AUTO_TRANSLATED_PHYSMAP = 1 << 2;
}

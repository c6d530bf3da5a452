package dev.domus.kernel.control;

/**
 * How often a domain made one hypercall.
 *
 * @param name name of the hypercall, with its sub-operation where it has one: {@code
 *     grant_table_op/3}
 * @param calls how often
 * @param unimplemented how many of these were answered −ENOSYS
 */
public record CallCount(String name, long calls, long unimplemented) {}

/**
 * {@link dev.domus.kernel.control.Control} as domain 0 gets it: argument checks, and the parts of
 * the kernel that do the work.
 */
package dev.domus.kernel.domctl;

/**
 * Xen's public PV interface as constants and layouts: error numbers, domain ids, hypercall numbers,
 * and one {@code …Layout} class for each structure that guests and the hypervisor share. Users of a
 * layout never compute an offset. Facts are those of the public headers of Xen 4.17; nothing here
 * has behaviour.
 */
package dev.domus.kernel.abi;

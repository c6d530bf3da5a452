/**
 * Domains and their vCPUs: identity, life cycle, run loop, and the hypervisor's access to guest
 * memory. State of the parts (page tables, events, grants, traps, time) is held here by reference
 * and lives in its own package. Start at {@link dev.domus.kernel.domain.Vcpu}.
 */
package dev.domus.kernel.domain;

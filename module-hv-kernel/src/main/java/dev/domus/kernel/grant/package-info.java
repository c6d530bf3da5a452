/**
 * Grant tables: what domains let others map and copy, and what they have mapped themselves. Knows
 * frames by their references and page tables through {@link dev.domus.kernel.mmu.GrantEntries}.
 * Start at {@link dev.domus.kernel.grant.GrantTable}.
 */
package dev.domus.kernel.grant;

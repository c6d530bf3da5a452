/**
 * Earliest eligible virtual deadline first: fair shares by weight, and latency by request. Start at
 * {@link dev.domus.sched.eevdf.Eevdf}.
 */
package dev.domus.sched.eevdf;

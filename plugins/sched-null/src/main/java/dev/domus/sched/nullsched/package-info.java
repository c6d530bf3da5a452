/**
 * One vCPU to a pCPU, for good. Start at {@link dev.domus.sched.nullsched.NullScheduler}. (The
 * package cannot be called {@code null}: that is a word of the language.)
 */
package dev.domus.sched.nullsched;

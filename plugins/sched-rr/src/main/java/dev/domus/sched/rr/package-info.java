/**
 * Round-robin: the smallest complete scheduler, and the one to read before writing one. Start at
 * {@link dev.domus.sched.rr.RoundRobin}.
 */
package dev.domus.sched.rr;

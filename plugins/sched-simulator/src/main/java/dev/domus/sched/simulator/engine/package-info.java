/**
 * The pool in virtual time: what the kernel's dispatcher does with a scheduler, as a discrete-event
 * simulation without threads. Knows nothing of workloads but {@link
 * dev.domus.sched.simulator.engine.Program}, and nothing of reports. Start at {@link
 * dev.domus.sched.simulator.engine.Simulation}.
 */
package dev.domus.sched.simulator.engine;

/**
 * What is simulated, under which schedulers, and what came out. Start at {@link
 * dev.domus.sched.simulator.scenario.Scenario}.
 */
package dev.domus.sched.simulator.scenario;

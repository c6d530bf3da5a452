/**
 * What is shown of the outcomes: a table for the terminal, JSON, and a page with plots. Start at
 * {@link dev.domus.sched.simulator.report.Comparison}.
 */
package dev.domus.sched.simulator.report;

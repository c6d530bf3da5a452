/**
 * Time as guests see it: the clock, pvclock pages, timers, runstate areas. Start at {@link
 * dev.domus.kernel.time.Clock}; for deterministic machines, whose time is what their guests do, at
 * {@link dev.domus.kernel.time.VirtualClock}.
 */
package dev.domus.kernel.time;

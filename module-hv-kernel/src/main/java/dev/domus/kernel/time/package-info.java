/**
 * Time as guests see it: the clock, pvclock pages, timers, runstate areas. Start at {@link
 * dev.domus.kernel.time.Clock}.
 */
package dev.domus.kernel.time;

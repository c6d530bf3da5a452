/**
 * Real-time reservations: global EDF over deferrable servers. Start at {@link
 * dev.domus.sched.rtds.Rtds}.
 */
package dev.domus.sched.rtds;

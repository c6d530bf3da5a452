/**
 * A fixed frame table, as in ARINC 653. Start at {@link dev.domus.sched.arinc653.Arinc653}; what a
 * table looks like is in {@link dev.domus.sched.arinc653.FrameTable}.
 */
package dev.domus.sched.arinc653;

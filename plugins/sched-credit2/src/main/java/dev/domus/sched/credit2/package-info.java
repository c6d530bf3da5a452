/**
 * Credit2: weights by credit that is burned, caps, and run queues balanced by load. Start at {@link
 * dev.domus.sched.credit2.Credit2}.
 */
package dev.domus.sched.credit2;

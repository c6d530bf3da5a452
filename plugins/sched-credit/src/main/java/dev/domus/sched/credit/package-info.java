/**
 * The credit scheduler: shares in proportion to weights, and caps. Start at {@link
 * dev.domus.sched.credit.Credit}; the arithmetic is in {@link dev.domus.sched.credit.Accounting}.
 */
package dev.domus.sched.credit;

/** The credit scheduler: proportional share with weights and caps. */
package dev.domus.sched.credit;

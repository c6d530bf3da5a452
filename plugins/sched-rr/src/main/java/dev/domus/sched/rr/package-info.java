/**
 * Round robin: the smallest complete scheduler plugin, and the one to copy when you write your own.
 */
package dev.domus.sched.rr;

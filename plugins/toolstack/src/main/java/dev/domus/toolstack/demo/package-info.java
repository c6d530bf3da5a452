/**
 * {@code domus demo}: two guests, and the scheduler swapped under them. Start at {@link
 * dev.domus.toolstack.demo.Demo}.
 */
package dev.domus.toolstack.demo;

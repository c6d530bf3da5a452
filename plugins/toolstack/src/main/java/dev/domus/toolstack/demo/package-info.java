/**
 * {@code domus demo}: two guests at work, judged. Start at {@link dev.domus.toolstack.demo.Demo}.
 */
package dev.domus.toolstack.demo;

package dev.domus.kernel.control;

import java.util.List;

/**
 * A scheduler did what it must not do, and was put off its pool, or did not get it.
 *
 * @param pool the pool's name then
 * @param scheduler the culprit's name
 * @param provider module and class of the culprit
 * @param kind what it did, in a word: THREW, ILLEGAL_PICK, OVERLONG_CALL, STARVATION
 * @param detail one line: which call, which unit, which value, and what became of the pool
 * @param lastDecisions what the pool's pCPUs did until then, a line each, by pCPU and the latest
 *     last; those of all pCPUs if the pool is gone
 * @param atNanos when, on the machine's monotonic clock
 */
public record SchedulerReport(
    String pool,
    String scheduler,
    String provider,
    String kind,
    String detail,
    List<String> lastDecisions,
    long atNanos) {}

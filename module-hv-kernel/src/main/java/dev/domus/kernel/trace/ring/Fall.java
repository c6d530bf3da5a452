package dev.domus.kernel.trace.ring;

import java.util.List;
import java.util.Map;

/**
 * A scheduler was put off its pool, or did not get it.
 *
 * @param pool the pool's name then
 * @param scheduler the scheduler's name
 * @param lastDecisions by pCPU, the machine's number: what it did until then, the latest last
 */
public record Fall(String pool, String scheduler, Map<Integer, List<String>> lastDecisions) {}

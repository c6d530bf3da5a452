package dev.domus.kernel.control;

/**
 * How a live swap of schedulers went.
 *
 * @param from name of the scheduler that went
 * @param to name of the scheduler that took over
 * @param vcpus how many vCPUs were handed over
 * @param pauseNanos how long the pool's guests were held up, from the first pCPU stopped to the
 *     last started again
 */
public record SwapResult(String from, String to, int vcpus, long pauseNanos) {}

/**
 * What becomes of the machine's trace: recorded into a file, analysed, and written in the formats
 * of others. A recording is a {@link dev.domus.toolstack.trace.TraceRecorder} that fills a file
 * ({@link dev.domus.toolstack.trace.TraceFile} has its layout); everything else starts from a
 * {@link dev.domus.toolstack.trace.TraceLog}, which is such a file in memory, in the order of time.
 */
package dev.domus.toolstack.trace;

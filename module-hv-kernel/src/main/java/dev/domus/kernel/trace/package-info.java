/**
 * What happened on the machine, record by record: the kinds of events, the layout of a record, and
 * how a program that holds the machine turns recording on and reads what was recorded. Start at
 * {@link dev.domus.kernel.trace.Trace}; what the fields of a record mean is in {@link
 * dev.domus.kernel.trace.TraceEvent}.
 *
 * <p>Mechanism only: what becomes of records (files, pictures, tables) is the reader's business.
 */
package dev.domus.kernel.trace;

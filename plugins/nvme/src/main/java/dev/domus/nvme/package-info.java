/**
 * An NVMe controller with one namespace, over a host file: registers, queues, commands and data
 * structures of the NVM Express Base Specification, revision 1.4, to whose sections comments here
 * refer.
 *
 * <pre>
 *   stores --> Controller --session, doorbells--> QueueWorker (admin)  --> AdminCommands
 *              (device's thread)            '---> QueueWorker (I/O q)  --> NvmCommands --> Disk
 *                                                     |
 *                                                   Prps, CompletionQueue --> DMA, interrupts
 * </pre>
 *
 * <p>Start at {@link dev.domus.nvme.Controller}; the {@code *Layout} classes draw what software
 * sees.
 */
package dev.domus.nvme;

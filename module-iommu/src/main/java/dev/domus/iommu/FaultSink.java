package dev.domus.iommu;

/** Told about faults that were recorded; see {@link FaultRecorder#drain}. */
@FunctionalInterface
public interface FaultSink {
  /**
   * One fault, the first of its requester since the last time.
   *
   * @param requester who asked, as in {@link RequesterId#value}
   * @param reason why it was refused
   * @param address the page's address; the interrupt's index if the reason is of interrupts
   * @param write whether it was a write
   * @param more how many further ones of the requester were only counted
   */
  void fault(int requester, FaultReason reason, long address, boolean write, long more);
}

package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;
import dev.domus.iommu.RequesterId;

/** A function that reaches no memory, whoever has it, and sends messages. */
public final class UnmappedDma implements FunctionDma {
  private static final DmaPort PORT = new DmaPort() {};

  private final RequesterId id;
  private final MessageTable messages;

  /** Of the function with a requester id. */
  public UnmappedDma(RequesterId id, MessageTable messages) {
    this.id = id;
    this.messages = messages;
  }

  @Override
  public DmaPort port() {
    return PORT;
  }

  @Override
  public void attach(int domid) {}

  @Override
  public boolean detach(long timeoutNanos) {
    return true;
  }

  @Override
  public void enable(boolean busMaster) {}

  @Override
  public void quarantine() {}

  @Override
  public void message(long address, int data) {
    messages.deliver(id, address, data);
  }
}

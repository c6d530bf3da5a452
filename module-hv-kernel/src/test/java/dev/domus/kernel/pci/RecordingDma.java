package dev.domus.kernel.pci;

import dev.domus.iommu.DmaPort;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Writes down what is asked of it. */
final class RecordingDma implements FunctionDma {
  final List<String> calls = new CopyOnWriteArrayList<>();

  @Override
  public DmaPort port() {
    throw new UnsupportedOperationException("no test here makes DMA");
  }

  @Override
  public boolean attach(int domid) {
    calls.add("attach " + domid);
    return true;
  }

  @Override
  public boolean detach() {
    calls.add("detach");
    return true;
  }

  @Override
  public void enable(boolean busMaster) {
    calls.add("enable " + busMaster);
  }

  @Override
  public void quarantine() {
    calls.add("quarantine");
  }

  @Override
  public void message(long address, int data) {
    calls.add("message %x %x".formatted(address, data));
  }

  @Override
  public void close() {
    calls.add("close");
  }
}

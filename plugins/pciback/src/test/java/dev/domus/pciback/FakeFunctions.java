package dev.domus.pciback;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.service.HypercallException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Functions with a few vectors each, whose configuration space is what was written there. */
final class FakeFunctions implements Functions {
  private static final int VECTORS = 4;
  private static final int FIRST_PIRQ = 16;

  final Map<RequesterId, Integer> owners = new TreeMap<>();
  final Map<Integer, Integer> config = new TreeMap<>();
  final List<String> writes = new ArrayList<>();
  final Map<Integer, String> mapped = new TreeMap<>();

  @Override
  public boolean isAssigned(RequesterId id, int domid) {
    return owners.getOrDefault(id, -1) == domid;
  }

  @Override
  public int readConfig(RequesterId id, int offset, int size) {
    return config.getOrDefault(offset, 0);
  }

  @Override
  public void writeConfig(RequesterId id, int offset, int size, int value) {
    writes.add("%s %x %d %x".formatted(id, offset, size, value));
  }

  @Override
  public int mapInterrupt(int domid, RequesterId id, InterruptKind kind, int vector) {
    String what = "%s %s %d".formatted(id, kind, vector);
    if (vector >= VECTORS || mapped.containsValue(what)) {
      throw new HypercallException(Errno.EINVAL, "no such vector, or in use: " + what);
    }
    int pirq = FIRST_PIRQ;
    while (mapped.containsKey(pirq)) {
      pirq++;
    }
    mapped.put(pirq, what);
    return pirq;
  }

  @Override
  public void unmapInterrupt(int domid, int pirq) {
    if (mapped.remove(pirq) == null) {
      throw new HypercallException(Errno.EINVAL, "not mapped: pirq=" + pirq);
    }
  }
}

package dev.domus.kernel.grant;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * A domain's grant handles. A handle is an index; its {@link Mapping} object is made when handles
 * of its neighbourhood are first given out and used again afterwards, so that mapping and unmapping
 * allocate nothing.
 *
 * <h2>Free lists</h2>
 *
 * <p>Each vCPU has a stack of free handles, linked through the mappings: it takes from its own and
 * gives back to its own, so vCPUs that map and unmap at once write no word that another writes. Who
 * finds his own empty takes from the others' before new handles are made: a guest that maps on one
 * vCPU and unmaps on another has no more handles than it ever had mapped at once. A stack's head
 * carries a tag that grows with each change, since a handle may be taken and given back while
 * somebody looks at it.
 *
 * <pre>
 *   head   63              32 31                 0
 *         +------------------+--------------------+
 *         |  tag             |  top handle + 1    |   0 below: empty
 *         +------------------+--------------------+
 * </pre>
 *
 * <p>Lock-free. A domain has {@link #MAX_HANDLES} handles at most.
 */
final class MapTrack {
  /** Most handles of a domain, as on Xen. */
  static final int MAX_HANDLES = 1 << 18;

  private static final int CHUNK = 256;
  private static final long INDEX = 0xFFFF_FFFFL, ONE_TAG = 1L << 32;

  /** Heads lie this many words apart, so that no two are in one cache line. */
  private static final int APART = 16;

  private final int lists;
  private final AtomicLongArray heads;
  private final AtomicInteger used = new AtomicInteger();
  private final AtomicReferenceArray<Mapping[]> chunks =
      new AtomicReferenceArray<>(MAX_HANDLES / CHUNK);

  /** Makes handles for so many vCPUs. */
  MapTrack(int vcpus) {
    lists = vcpus;
    heads = new AtomicLongArray(vcpus * APART);
  }

  /** Takes a handle for a vCPU, or returns −1. */
  int allocate(int vcpu) {
    int handle = pop(vcpu);
    for (int i = 1; handle < 0 && i < lists; i++) {
      handle = pop((vcpu + i) % lists);
    }
    return handle >= 0 ? handle : make();
  }

  private int make() {
    int handle;
    do {
      handle = used.get();
      if (handle == MAX_HANDLES) {
        return -1;
      }
    } while (!used.compareAndSet(handle, handle + 1));
    if (chunks.get(handle / CHUNK) == null) {
      Mapping[] chunk = new Mapping[CHUNK];
      for (int i = 0; i < CHUNK; i++) {
        chunk[i] = new Mapping();
      }
      chunks.compareAndSet(handle / CHUNK, null, chunk);
    }
    return handle;
  }

  private int pop(int list) {
    int at = list * APART;
    while (true) {
      long head = heads.get(at);
      int handle = (int) (head & INDEX) - 1;
      if (handle < 0) {
        return -1;
      }
      long rest = find(handle).nextFree & INDEX;
      if (heads.compareAndSet(at, head, (head & ~INDEX) + ONE_TAG | rest)) {
        return handle;
      }
    }
  }

  /** Gives a handle back whose mapping is not live. */
  void release(int vcpu, int handle) {
    int at = vcpu * APART;
    Mapping mapping = find(handle);
    while (true) {
      long head = heads.get(at);
      mapping.nextFree = (int) head;
      if (heads.compareAndSet(at, head, (head & ~INDEX) + ONE_TAG | handle + 1)) {
        return;
      }
    }
  }

  /** The mapping of a handle, live or not; null if no such handle was ever given out. */
  Mapping find(int handle) {
    if (Integer.compareUnsigned(handle, used.get()) >= 0) {
      return null;
    }
    Mapping[] chunk = chunks.get(handle / CHUNK);
    return chunk == null ? null : chunk[handle % CHUNK];
  }

  /** One more than the largest handle ever given out. */
  int limit() {
    return used.get();
  }
}

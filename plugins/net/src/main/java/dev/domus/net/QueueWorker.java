package dev.domus.net;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.service.DomainMemory;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.ServiceDomain;
import dev.domus.kernel.service.Worker;
import dev.domus.memory.Window;
import dev.domus.net.netif.Staging;
import dev.domus.net.packet.Headers;
import dev.domus.net.packet.Packet;

/**
 * A worker of queues, and what it needs for one packet at a time: a staging area and a place for a
 * packet. There are few, whatever the number of guests; each queue belongs to one.
 */
final class QueueWorker implements AutoCloseable {
  /**
   * Where the staging areas are among the service domain's frame numbers: apart from where others
   * are likely to put theirs. Where a number is taken, the next range is tried.
   */
  private static final long FIRST_GFN = 0x40_0000;

  private static final int TRIES = 256;

  private final DomainMemory memory;
  private final long gfn;
  private final Window window;
  private final Worker worker;
  private final Staging staging;
  private final Packet packet = new Packet();
  private final Headers headers = new Headers();

  QueueWorker(ServiceDomain domain, int number) {
    Hypercalls hypercalls = domain.hypercalls();
    memory = hypercalls.memory();
    gfn = populate(memory);
    window = memory.window(gfn, Staging.PAGES, true);
    worker = domain.worker("net-" + number);
    staging = new Staging(window, gfn, hypercalls::copy);
  }

  private static long populate(DomainMemory memory) {
    for (int i = 0; i < TRIES; i++) {
      try {
        long gfn = FIRST_GFN + (long) i * Staging.PAGES;
        memory.populate(gfn, Staging.PAGES);
        return gfn;
      } catch (HypercallException taken) {
        if (taken.errno() != Errno.ENOMEM) {
          throw taken;
        }
      }
    }
    throw new IllegalStateException(
        "the service domain has no memory left for the network backend: pages=" + Staging.PAGES);
  }

  void execute(Runnable task) {
    worker.execute(task);
  }

  void call(Runnable task) {
    worker.call(task);
  }

  Staging staging() {
    return staging;
  }

  Packet packet() {
    return packet;
  }

  Headers headers() {
    return headers;
  }

  @Override
  public void close() {
    worker.close();
    window.close();
    memory.giveBack(gfn, Staging.PAGES);
  }
}

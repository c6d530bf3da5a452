package dev.domus.kernel.servicedomain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.mmu.MachineScan;
import dev.domus.kernel.service.GrantCopy;
import dev.domus.kernel.service.GrantMapping;
import dev.domus.kernel.service.GrantedPage;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.service.Hypercalls;
import dev.domus.kernel.service.OwnGrants;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.Window;
import dev.domus.memory.WindowRevokedException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Two service domains whose threads do everything at random with the same few pages: populate, give
 * back, move, map, grant, transfer, copy, open windows and write through them. Afterwards the frame
 * table has to be what the two maps say, and when both have ended every frame is free.
 */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ServiceStormTest {
  private static final int THREADS = 3, STEPS = 4000, PAGES = 12;

  /** What the ABI answers to a call that makes no sense at that moment. */
  private static final List<Integer> EXPECTED =
      List.of(
          Errno.EINVAL,
          Errno.ENOMEM,
          Errno.EPERM,
          Errno.EEXIST,
          Errno.ENOENT,
          Errno.EBUSY,
          Errno.ENOSPC);

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final FrameAllocator allocator = machine.hypervisor().machineFrames().allocator();

  @AfterEach
  void close() {
    machine.close();
  }

  @Test
  void twoDomainsShareAndTakeBackWithoutLosingAFrame() throws Exception {
    long free = allocator.freeFrames();
    LocalServiceDomain first = machine.startDriver();
    LocalServiceDomain second = machine.startDriver();
    List<CompletableFuture<Void>> storms = new ArrayList<>();
    for (int i = 0; i < 2 * THREADS; i++) {
      LocalServiceDomain mine = i % 2 == 0 ? first : second;
      LocalServiceDomain peer = i % 2 == 0 ? second : first;
      long seed = i;
      storms.add(
          CompletableFuture.runAsync(
              () -> new User(mine.hypercalls(), peer.domid(), new Random(seed)).run(),
              task -> Thread.ofPlatform().daemon().start(task)));
    }
    for (CompletableFuture<Void> storm : storms) {
      storm.get(100, TimeUnit.SECONDS);
    }
    MachineScan.scan(machine.hypervisor());
    first.close();
    second.close();
    assertEquals(free, allocator.freeFrames());
    MachineScan.scan(machine.hypervisor());
  }

  /** One thread of a domain, with what it holds. */
  private static final class User {
    private final Hypercalls calls;
    private final int peer;
    private final Random random;
    private final List<Window> windows = new ArrayList<>();
    private final List<GrantMapping> mappings = new ArrayList<>();
    private final List<GrantedPage> granted = new ArrayList<>();
    private final List<OwnGrants.ExpectedPage> expected = new ArrayList<>();

    User(Hypercalls calls, int peer, Random random) {
      this.calls = calls;
      this.peer = peer;
      this.random = random;
    }

    void run() {
      for (int step = 0; step < STEPS; step++) {
        attempt(this::step);
      }
      windows.forEach(Window::close);
      mappings.forEach(GrantMapping::close);
    }

    private static void attempt(Runnable work) {
      try {
        work.run();
      } catch (HypercallException refused) {
        if (!EXPECTED.contains(refused.errno())) {
          throw refused;
        }
      } catch (WindowRevokedException gone) {
        // Another thread has given the page back.
      }
    }

    private long gfn() {
      return 1 + random.nextInt(PAGES);
    }

    private int ref() {
      return 8 + random.nextInt(24);
    }

    private <T> T any(List<T> list) {
      return list.remove(random.nextInt(list.size()));
    }

    private void step() {
      switch (random.nextInt(13)) {
        case 0 -> calls.memory().populate(gfn(), 1 + random.nextInt(3));
        case 1 -> calls.memory().giveBack(gfn(), 1);
        case 2 -> calls.memory().move(gfn(), gfn());
        case 3 -> windows.add(calls.memory().window(gfn(), 1, random.nextBoolean()));
        case 4 -> windows.add(calls.memory().window(gfn(), 2, true));
        case 5 -> granted.add(calls.grants().permit(peer, gfn(), random.nextBoolean()));
        case 6 -> expected.add(calls.grants().accept(peer, gfn()));
        case 7 -> calls.grants().transfer(gfn(), peer, ref());
        case 8 -> mappings.add(calls.mapGrant(peer, ref(), random.nextBoolean()));
        case 9 -> mappings.add(calls.mapGrantsAt(peer, new int[] {ref()}, true, gfn()));
        case 10 ->
            calls.copy(
                List.of(
                    new GrantCopy(
                        new GrantCopy.Granted(peer, ref(), 0), new GrantCopy.Own(gfn(), 0), 64)));
        case 11 -> calls.memory().pages(Domid.SELF);
        default -> letGo();
      }
      use();
    }

    private void letGo() {
      while (windows.size() > 4) {
        any(windows).close();
      }
      while (mappings.size() > 3) {
        any(mappings).close();
      }
      while (granted.size() > 4) {
        any(granted).end();
      }
      while (expected.size() > 2) {
        OwnGrants.ExpectedPage page = any(expected);
        attempt(page::close);
      }
    }

    private void use() {
      for (Window window : windows) {
        if (window.writable() && window.alive()) {
          window.putLong(8L * random.nextInt(512), random.nextLong());
        }
      }
      for (GrantMapping mapping : mappings) {
        mapping.window().getLong(0);
      }
    }
  }
}

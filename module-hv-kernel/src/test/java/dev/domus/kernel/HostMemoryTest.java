package dev.domus.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.dispatch.Await;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.service.HypercallException;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameAllocator;
import dev.domus.memory.Window;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/**
 * What domains take from the machine's memory and the machine from the host's, and how it goes
 * back. The oracle for the latter is the host's own accounting.
 */
class HostMemoryTest {
  private static final int PAGES = 4096;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final Control control = machine.control();
  private final FrameAllocator allocator = machine.hypervisor().machineFrames().allocator();

  @AfterEach
  void close() {
    machine.close();
  }

  private int domain(long maxPages) {
    return control.createDomain(
        new DomainSpec(
            UUID.randomUUID(), maxPages, 1, machine.engine().name(), "pool0", 256, 0, false));
  }

  /** Bytes of the machine's memory that the host has behind this process's mapping of it. */
  private static long residentBytes() throws IOException {
    long kibibytes = 0;
    boolean ours = false;
    for (String line : Files.readAllLines(Path.of("/proc/self/smaps"))) {
      if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
        ours = line.contains("memfd:domus-machine-memory");
      } else if (ours && line.startsWith("Rss:")) {
        kibibytes += Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return kibibytes << 10;
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void theHostHasTheMemoryOfADomainBackWhenItIsGone() throws IOException {
    long before = residentBytes();
    for (int round = 0; round < 3; round++) {
      int domid = domain(PAGES);
      control.populate(domid, 0, PAGES);
      try (Window window = control.mapForeign(domid, 0, PAGES, true)) {
        window.fill(0, (long) PAGES << 12, (byte) 1);
      }
      assertTrue(residentBytes() - before >= (long) PAGES << 12, "what was written is resident");
      control.destroyDomain(domid);
      long left = residentBytes() - before;
      assertTrue(left < (long) PAGES << 12 >> 4, "resident after the domain has gone: " + left);
    }
  }

  /** Memory that the scrubber has zeroed is as resident as any. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void theHostHasScrubbedMemoryBackToo() throws IOException {
    long before = residentBytes();
    freeDirty(1024);
    allocator.scrub(Long.MAX_VALUE);
    assertTrue(residentBytes() - before >= 1024L << 12);
    allocator.releaseToHost(0);
    assertTrue(residentBytes() - before < 64L << 12);
    assertEquals(0, allocator.releaseToHost(0), "nothing is given back twice");
  }

  private void freeDirty(int count) {
    MemorySegment memory = machine.hypervisor().memory();
    long[] mfns = new long[count];
    for (int i = 0; i < count; i++) {
      mfns[i] = allocator.allocate(0);
      memory.asSlice(mfns[i] << 12, 4096).fill((byte) 1);
    }
    for (long mfn : mfns) {
      allocator.free(mfn, 0);
    }
  }

  @Test
  void anIdlePcpuScrubsAhead() {
    freeDirty(1000);
    assertTrue(allocator.hasDirty());
    machine.hypervisor().dispatcher().offerIdleWork();
    Await.until("all free frames are clean", () -> !allocator.hasDirty());
  }

  @Test
  void whatOneDomainClaimsNoOtherGets() {
    long free = allocator.freeFrames();
    int first = domain(free);
    int second = domain(free);
    free = allocator.freeFrames();
    control.claim(first, free - 100);
    assertEquals(free - 100, allocator.claimedFrames());
    assertEnomem(() -> control.claim(second, 101));
    assertEnomem(() -> control.populate(second, 0, 101));
    assertEquals(free, allocator.freeFrames(), "what was refused has changed nothing");
    control.populate(second, 0, 100);
    control.populate(first, 0, free - 100);
    assertEquals(0, allocator.claimedFrames());
    assertEquals(0, allocator.freeFrames());
    control.destroyDomain(first);
    assertEquals(free - 100 + 1, allocator.freeFrames()); // and its shared info
  }

  @Test
  void aClaimEndsWithItsDomainOrWhenItIsGivenUp() {
    int domid = domain(1000);
    control.claim(domid, 600);
    assertThrows(HypercallException.class, () -> control.claim(domid, 700), "there is one");
    control.claim(domid, 0);
    assertEquals(0, allocator.claimedFrames());
    assertThrows(HypercallException.class, () -> control.claim(domid, 1001), "above its limit");
    control.populate(domid, 0, 300);
    assertThrows(HypercallException.class, () -> control.claim(domid, 300), "it has those");
    control.claim(domid, 700);
    assertEquals(400, allocator.claimedFrames());
    control.destroyDomain(domid);
    assertEquals(0, allocator.claimedFrames());
  }

  private static void assertEnomem(Runnable call) {
    HypercallException refused = assertThrows(HypercallException.class, call::run);
    assertEquals(Errno.ENOMEM, refused.errno());
    assertTrue(refused.getMessage().contains("free="), refused.getMessage());
  }
}

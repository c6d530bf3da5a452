package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.READING;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantEntryLayout.WRITING;
import static dev.domus.kernel.abi.GrantStatus.BAD_DEV_ADDR;
import static dev.domus.kernel.abi.GrantStatus.BAD_DOMAIN;
import static dev.domus.kernel.abi.GrantStatus.BAD_GNTREF;
import static dev.domus.kernel.abi.GrantStatus.BAD_HANDLE;
import static dev.domus.kernel.abi.GrantStatus.BAD_VIRT_ADDR;
import static dev.domus.kernel.abi.GrantStatus.GENERAL_ERROR;
import static dev.domus.kernel.abi.GrantStatus.NO_SPACE;
import static dev.domus.kernel.abi.GrantStatus.OKAY;
import static dev.domus.kernel.grant.GrantMappings.CONTAINS_PTE;
import static dev.domus.kernel.grant.GrantMappings.DEVICE_MAP;
import static dev.domus.kernel.grant.GrantMappings.HOST_MAP;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.mmu.AddressSpaces;
import dev.domus.kernel.mmu.GrantEntries;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class GrantMappingsTest {
  private static final int REF = 9;
  private static final long VA = 0x7000_0000L;
  private static final AddressSpaces FIRST = new StillVcpu(0);

  private final FakeGrantMachine machine = new FakeGrantMachine();
  private final GrantTable granter = machine.domain(1);
  private final GrantTable mapper = machine.domain(2);
  private final GrantMappings mappings = mapper.mappings();
  private final Slots slots = new Slots();
  private final long mfn = machine.ram(1);

  /** Page-table entries by address; an address that is not a multiple of 8 has none. */
  private static final class Slots implements GrantEntries {
    final Map<Long, Long> entries = new ConcurrentHashMap<>();
    final AtomicInteger flushes = new AtomicInteger();
    volatile Runnable whenFlushed = () -> {};

    @Override
    public int installGrant(AddressSpaces v, long hostAddress, long entry, boolean containsPte) {
      if ((hostAddress & 7) != 0) {
        return BAD_VIRT_ADDR;
      }
      entries.put(hostAddress, entry);
      return OKAY;
    }

    @Override
    public int removeGrant(
        AddressSpaces v, long hostAddress, long mfn, boolean writable, boolean containsPte) {
      Long entry = entries.get(hostAddress);
      boolean same = entry != null && Pte.mfn(entry) == mfn && (entry & Pte.W) != 0 == writable;
      return same && entries.remove(hostAddress, entry) ? OKAY : GENERAL_ERROR;
    }

    @Override
    public int replaceGrant(
        AddressSpaces v, long hostAddress, long newAddress, long mfn, boolean writable) {
      if (!entries.containsKey(newAddress)
          || removeGrant(v, hostAddress, mfn, writable, false) != OKAY) {
        return GENERAL_ERROR;
      }
      entries.put(hostAddress, entries.remove(newAddress));
      return OKAY;
    }

    @Override
    public void flush() {
      flushes.incrementAndGet();
      whenFlushed.run();
    }
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private int map(long hostAddress, int flags) {
    return mappings.map(FIRST, slots, hostAddress, flags, REF, 1);
  }

  private int unmap(long hostAddress, long deviceAddress, int handle) {
    return unmap(FIRST, hostAddress, deviceAddress, handle);
  }

  private int unmap(AddressSpaces v, long hostAddress, long deviceAddress, int handle) {
    int status = mappings.unmap(v, slots, hostAddress, deviceAddress, handle);
    mappings.finishUnmaps(v, slots);
    return status;
  }

  private int replace(long hostAddress, long newAddress, int handle) {
    int status = mappings.unmapAndReplace(FIRST, slots, hostAddress, newAddress, handle);
    mappings.finishUnmaps(FIRST, slots);
    return status;
  }

  private void permit(int flags) {
    machine.grant(granter, REF, PERMIT_ACCESS | flags, 2, mfn);
  }

  private void assertUnused() {
    assertEquals(PERMIT_ACCESS, machine.flags(granter, REF) & ~READONLY);
    assertEquals(1, machine.table.references(mfn));
    assertEquals(0, machine.table.typeCount(mfn));
  }

  @Test
  void aHostMappingIsAnEntryWithTheRightsAskedFor() {
    permit(0);
    int writable = map(VA, HOST_MAP);
    int readonly =
        map(VA + 8, HOST_MAP | GrantMappings.READONLY | GrantMappings.APPLICATION_MAP | 5 << 16);
    assertEquals(
        Pte.of(mfn, Pte.P | Pte.W | Pte.A | Pte.D | Pte.NX), slots.entries.get(VA).longValue());
    assertEquals(
        Pte.of(mfn, Pte.P | Pte.U | Pte.A | Pte.D | Pte.NX | 5L << 9),
        slots.entries.get(VA + 8).longValue());
    assertEquals(mfn << 12, mappings.deviceAddress(writable));
    assertEquals(3, machine.table.references(mfn));
    assertEquals(1, machine.table.typeCount(mfn));
    assertEquals(OKAY, unmap(VA, 0, writable));
    assertEquals(PERMIT_ACCESS | READING, machine.flags(granter, REF));
    assertEquals(OKAY, unmap(VA + 8, 0, readonly));
    assertUnused();
    assertTrue(slots.entries.isEmpty());
  }

  @Test
  void whatIsRefusedLeavesNothingBehind() {
    permit(READONLY);
    assertEquals(BAD_GNTREF, map(VA, 0));
    assertEquals(BAD_GNTREF, map(VA, CONTAINS_PTE));
    assertEquals(BAD_DOMAIN, mappings.map(FIRST, slots, VA, HOST_MAP, REF, 77));
    assertEquals(BAD_GNTREF, mappings.map(FIRST, slots, VA, HOST_MAP, 5000, 1));
    assertEquals(GENERAL_ERROR, map(VA, HOST_MAP));
    assertEquals(BAD_VIRT_ADDR, map(VA + 1, HOST_MAP | DEVICE_MAP | GrantMappings.READONLY));
    assertEquals(PERMIT_ACCESS | READONLY, machine.flags(granter, REF));
    assertUnused();
    permit(0);
    assertEquals(0, map(VA, HOST_MAP), "the first handle is still free");
  }

  @Test
  void aMappingIsUnmappedOnceAndByItsOwnAddress() {
    permit(0);
    int handle = map(VA, HOST_MAP);
    assertEquals(BAD_HANDLE, unmap(VA, 0, handle + 1));
    assertEquals(BAD_HANDLE, unmap(VA, 0, -1));
    assertEquals(GENERAL_ERROR, unmap(VA + 8, 0, handle));
    assertEquals(OKAY, unmap(0, 0, handle), "names no part");
    assertEquals(OKAY, unmap(VA, 0, handle));
    assertEquals(BAD_HANDLE, unmap(VA, 0, handle));
    assertUnused();
  }

  @Test
  void partsAreUnmappedSeparatelyAndPutOnce() {
    permit(0);
    int handle = map(VA, HOST_MAP | DEVICE_MAP);
    assertEquals(3, machine.table.references(mfn));
    assertEquals(2, machine.table.typeCount(mfn));
    assertEquals(BAD_DEV_ADDR, unmap(VA, 0x123000, handle));
    assertEquals(3, machine.table.references(mfn), "nothing was unmapped");
    assertEquals(OKAY, unmap(0, mfn << 12, handle));
    assertEquals(2, machine.table.references(mfn));
    assertEquals(OKAY, unmap(0, mfn << 12, handle), "there is no device part any more");
    assertEquals(2, machine.table.references(mfn));
    assertEquals(PERMIT_ACCESS | READING | WRITING, machine.flags(granter, REF));
    assertEquals(OKAY, unmap(VA, mfn << 12, handle));
    assertUnused();
    assertEquals(BAD_HANDLE, unmap(VA, mfn << 12, handle));
  }

  @Test
  void anEntryThatTheGuestOverwroteKeepsItsPinAndGivesUpItsReference() {
    permit(0);
    int handle = map(VA, HOST_MAP);
    slots.entries.remove(VA);
    machine.putWritable(mfn); // as the page-table code does
    assertEquals(GENERAL_ERROR, unmap(VA, 0, handle));
    assertEquals(PERMIT_ACCESS | READING | WRITING, machine.flags(granter, REF));
    assertEquals(1, machine.table.references(mfn));
    mapper.teardown();
    assertUnused();
  }

  @Test
  void aReplacedMappingLeavesTheOtherEntryInItsPlace() {
    permit(0);
    int handle = map(VA, HOST_MAP);
    slots.entries.put(VA + 64, 0x1067L);
    assertEquals(BAD_HANDLE, replace(VA, VA + 64, 5));
    assertEquals(GENERAL_ERROR, replace(VA, VA + 128, handle));
    assertEquals(OKAY, replace(VA, VA + 64, handle));
    assertEquals(Map.of(VA, 0x1067L), slots.entries);
    assertUnused();
    int byEntry = map(VA, HOST_MAP | CONTAINS_PTE);
    assertEquals(GENERAL_ERROR, replace(VA, VA + 64, byEntry));
    assertEquals(OKAY, unmap(VA, 0, byEntry));
  }

  @Test
  void aDomainMayMapItsOwnGrant() {
    long own = machine.ram(2);
    machine.grant(mapper, REF, PERMIT_ACCESS, 2, own);
    int handle = mappings.map(FIRST, slots, VA, HOST_MAP, REF, 2);
    assertTrue(handle >= 0);
    assertEquals(OKAY, unmap(VA, 0, handle));
  }

  @Test
  void handlesAreReusedAndBounded() {
    permit(0);
    for (int i = 0; i < MapTrack.MAX_HANDLES; i++) {
      assertEquals(i, map(VA, DEVICE_MAP | GrantMappings.READONLY));
    }
    assertEquals(NO_SPACE, map(VA, DEVICE_MAP));
    assertEquals(OKAY, unmap(0, mfn << 12, 12345));
    assertEquals(12345, map(VA, DEVICE_MAP | GrantMappings.READONLY));
    mapper.teardown();
    assertUnused();
  }

  @Test
  void aGuestThatMapsOnOneVcpuAndUnmapsOnAnotherHasNoMoreHandlesThanItMapped() {
    permit(0);
    AddressSpaces second = new StillVcpu(1);
    for (int round = 0; round < 1_000; round++) {
      int handle = map(VA, HOST_MAP);
      int other = map(VA + 8, HOST_MAP);
      assertEquals(OKAY, unmap(second, VA, 0, handle));
      assertEquals(OKAY, unmap(second, VA + 8, 0, other));
    }
    assertEquals(2, mappings.track().limit());
    assertUnused();
  }

  @Test
  void vcpusNeverGetTheSameHandle() throws Exception {
    MapTrack track = new MapTrack(2);
    AtomicIntegerArray holders = new AtomicIntegerArray(64);
    CompletableFuture<?>[] vcpus = new CompletableFuture<?>[2];
    for (int i = 0; i < vcpus.length; i++) {
      int vcpu = i;
      vcpus[i] =
          CompletableFuture.runAsync(
              () -> {
                Random random = new Random(vcpu);
                int[] held = new int[16];
                for (int step = 0; step < 200_000; step++) {
                  int at = random.nextInt(held.length);
                  if (held[at] == 0) {
                    int handle = track.allocate(vcpu);
                    assertEquals(1, holders.incrementAndGet(handle));
                    held[at] = handle + 1;
                  } else {
                    holders.decrementAndGet(held[at] - 1);
                    track.release(random.nextInt(2), held[at] - 1);
                    held[at] = 0;
                  }
                }
              },
              task -> Thread.ofPlatform().daemon().start(task));
    }
    CompletableFuture.allOf(vcpus).get(60, TimeUnit.SECONDS);
    assertTrue(track.limit() <= 32, "handles=" + track.limit());
  }

  @Test
  void whatIsUnmappedIsGivenBackAfterOneFlushForAll() {
    permit(0);
    int[] handles = new int[PendingUnmaps.ROOM];
    for (int i = 0; i < handles.length; i++) {
      handles[i] = map(VA + 8L * i, HOST_MAP);
    }
    slots.whenFlushed =
        () -> {
          assertEquals(1 + handles.length, machine.table.references(mfn));
          assertEquals(PERMIT_ACCESS | READING | WRITING, machine.flags(granter, REF));
          assertEquals(BAD_HANDLE, mappings.unmap(FIRST, slots, VA, 0, handles[0]), "on its way");
        };
    for (int i = 0; i < handles.length; i++) {
      assertEquals(OKAY, mappings.unmap(FIRST, slots, VA + 8L * i, 0, handles[i]));
    }
    mappings.finishUnmaps(FIRST, slots);
    assertEquals(1, slots.flushes.get());
    assertUnused();
    mappings.finishUnmaps(FIRST, slots);
    assertEquals(1, slots.flushes.get(), "there is nothing to flush");
  }

  @Test
  void bothPartsMayBeUnmappedInOneCall() {
    permit(0);
    int handle = map(VA, HOST_MAP | DEVICE_MAP);
    assertEquals(OKAY, mappings.unmap(FIRST, slots, VA, 0, handle));
    assertEquals(OKAY, mappings.unmap(FIRST, slots, 0, mfn << 12, handle));
    assertEquals(BAD_HANDLE, mappings.unmap(FIRST, slots, VA, mfn << 12, handle));
    assertEquals(3, machine.table.references(mfn));
    mappings.finishUnmaps(FIRST, slots);
    assertUnused();
    assertEquals(handle, map(VA, HOST_MAP));
  }

  @Test
  void theEndOfAMapperUnpinsAndLeavesHostReferencesToThePageTables() {
    permit(0);
    map(VA, HOST_MAP | DEVICE_MAP);
    map(VA + 8, HOST_MAP | GrantMappings.READONLY);
    mapper.teardown();
    assertEquals(PERMIT_ACCESS, machine.flags(granter, REF));
    assertEquals(3, machine.table.references(mfn));
    assertEquals(1, machine.table.typeCount(mfn));
  }

  @Test
  void aMappingOutlivesItsGranter() {
    permit(0);
    int handle = map(VA, HOST_MAP);
    granter.teardown();
    machine.tables.remove(1);
    machine.table.dropAllocation(mfn);
    machine.put(mfn);
    long free = machine.allocator.freeFrames();
    assertEquals(OKAY, unmap(VA, 0, handle));
    assertEquals(free + 1, machine.allocator.freeFrames());
  }

  /** Two vCPUs unmap the same handles: each part is given back once. */
  @Test
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void ofTwoVcpusThatUnmapAHandleOneSucceeds() throws Exception {
    permit(0);
    for (int round = 0; round < 5_000; round++) {
      int handle = map(VA, HOST_MAP | DEVICE_MAP);
      assertTrue(handle >= 0);
      AtomicInteger okay = new AtomicInteger();
      CompletableFuture<Void> other =
          CompletableFuture.runAsync(
              () -> okay.addAndGet(unmap(new StillVcpu(1), VA, mfn << 12, handle) == OKAY ? 1 : 0));
      okay.addAndGet(unmap(VA, mfn << 12, handle) == OKAY ? 1 : 0);
      other.get(10, TimeUnit.SECONDS);
      assertEquals(1, okay.get());
    }
    assertUnused();
  }

  /** Random operations against a model of what must be mapped. */
  @Test
  void referencesAndFlagsFollowRandomOperations() {
    Random random = new Random(7);
    permit(0);
    record Live(int handle, long va, boolean host, boolean device, boolean writable) {}
    List<Live> live = new ArrayList<>();
    long nextVa = VA;
    for (int step = 0; step < 20_000; step++) {
      if (live.size() < 20 && random.nextBoolean()) {
        int flags = 1 + random.nextInt(3) | (random.nextBoolean() ? GrantMappings.READONLY : 0);
        nextVa += 8;
        boolean writable = (flags & GrantMappings.READONLY) == 0;
        int handle = map(nextVa, flags);
        live.add(
            new Live(handle, nextVa, (flags & HOST_MAP) != 0, (flags & DEVICE_MAP) != 0, writable));
      } else if (!live.isEmpty()) {
        Live victim = live.remove(random.nextInt(live.size()));
        boolean host = victim.host && random.nextInt(3) != 0;
        boolean device = victim.device && random.nextInt(3) != 0;
        assertEquals(OKAY, unmap(host ? victim.va : 0, device ? mfn << 12 : 0, victim.handle));
        if (victim.host != host || victim.device != device) {
          live.add(
              new Live(
                  victim.handle,
                  victim.va,
                  victim.host && !host,
                  victim.device && !device,
                  victim.writable));
        }
      }
      long parts = live.stream().mapToLong(l -> (l.host ? 1 : 0) + (l.device ? 1 : 0)).sum();
      long writers =
          live.stream()
              .filter(Live::writable)
              .mapToLong(l -> (l.host ? 1 : 0) + (l.device ? 1 : 0))
              .sum();
      int flags = PERMIT_ACCESS | (parts > 0 ? READING : 0) | (writers > 0 ? WRITING : 0);
      assertEquals(flags, machine.flags(granter, REF));
      assertEquals(1 + parts, machine.table.references(mfn));
      assertEquals(writers, machine.table.typeCount(mfn));
    }
  }
}

package dev.domus.kernel.grant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.abi.GrantEntryLayout;
import dev.domus.kernel.abi.GrantOpLayout;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.abi.HypercallNumber;
import dev.domus.kernel.dispatch.TestSchedulers;
import dev.domus.kernel.domain.Domain;
import dev.domus.kernel.domain.GuestAccess;
import dev.domus.kernel.engine.CpuState;
import dev.domus.kernel.hypercall.GuestFault;
import dev.domus.kernel.testing.ScriptedEngine.ScriptedVcpu;
import dev.domus.kernel.testing.TinyMachine;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * grant_table_op as two guests make it: one maps its table and grants, the other maps and copies.
 */
class GrantTableOpTest {
  private static final long ARG = 6 << 12,
      LIST = 7 << 12,
      GRANTED = 8 << 12,
      TABLE = 20 << 12,
      TARGET = 21 << 12;
  private static final int REF = 9;
  private static final long LEAF = Pte.P | Pte.W | Pte.U | Pte.A;

  private final TinyMachine machine = new TinyMachine(TestSchedulers.roundRobin(), 1);
  private final FrameTable frames = machine.hypervisor().machineFrames().table();
  private final Domain granter = machine.start();
  private final Domain mapper = machine.start();
  private final GuestAccess granterMemory = granter.vcpu(0).guest();
  private final GuestAccess memory = mapper.vcpu(0).guest();
  private final ScriptedVcpu granterGuest = machine.engine().vcpu(0);
  private final ScriptedVcpu guest = machine.engine().vcpu(1);
  private final long mfn = machine.control().mfn(granter.domid(), GRANTED >>> 12);
  private long references;

  @BeforeEach
  void grant() {
    granterMemory.putLong(ARG, (long) Domid.SELF | 1L << 32);
    granterMemory.putLong(ARG + 8, 0xFFFF);
    granterMemory.putLong(ARG + 16, LIST);
    assertEquals(0, granterGuest.hypercall(HypercallNumber.GRANT_TABLE_OP, 2, ARG, 1));
    assertEquals(GrantStatus.OKAY, granterMemory.getShort(ARG + 8));
    long frame = granterMemory.getLong(LIST);
    assertEquals(
        0,
        granterGuest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, TABLE, Pte.of(frame, LEAF), 0));
    granterMemory.putInt(TABLE + 8 * REF + 4, (int) mfn);
    granterMemory.putInt(TABLE + 8 * REF, GrantEntryLayout.PERMIT_ACCESS | mapper.domid() << 16);
    granterMemory.putLong(GRANTED, 0x1122_3344L);
    references = frames.references(mfn);
  }

  @AfterEach
  void close() {
    machine.close();
  }

  private int flags() {
    return granterMemory.getShort(TABLE + 8 * REF);
  }

  private long op(int command, long count) {
    return guest.hypercall(HypercallNumber.GRANT_TABLE_OP, command, ARG, count);
  }

  private int map(long hostAddress, int flags, int ref, int domid) {
    memory.putLong(ARG, hostAddress);
    memory.putInt(ARG + 8, flags);
    memory.putInt(ARG + 12, ref);
    memory.putInt(ARG + 16, domid);
    memory.putInt(ARG + 20, -1);
    assertEquals(0, op(GrantOpLayout.MAP_GRANT_REF, 1));
    return status(ARG + GrantOpLayout.MAP_STATUS);
  }

  private int map(long hostAddress, int flags) {
    return map(hostAddress, flags, REF, granter.domid());
  }

  private int handle() {
    return memory.getInt(ARG + GrantOpLayout.MAP_HANDLE);
  }

  private int unmap(long hostAddress, int handle) {
    memory.putLong(ARG, hostAddress);
    memory.putLong(ARG + 8, 0);
    memory.putInt(ARG + 16, handle);
    assertEquals(0, op(GrantOpLayout.UNMAP_GRANT_REF, 1));
    return status(ARG + GrantOpLayout.UNMAP_STATUS);
  }

  private int status(long at) {
    return (short) memory.getShort(at);
  }

  @Test
  void aGrantedFrameAppearsWhereItWasMappedAndGoes() {
    long target = machine.control().mfn(mapper.domid(), TARGET >>> 12);
    long before = frames.references(target);
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP));
    assertEquals(mfn << 12, memory.getLong(ARG + GrantOpLayout.MAP_DEVICE));
    int handle = handle();
    assertEquals(before - 1, frames.references(target), "the entry no longer refers to it");
    assertEquals(0x1122_3344L, memory.getLong(TARGET));
    memory.putLong(TARGET + 8, 55);
    assertEquals(55, granterMemory.getLong(GRANTED + 8));
    assertEquals(
        GrantEntryLayout.PERMIT_ACCESS | GrantEntryLayout.READING | GrantEntryLayout.WRITING,
        flags());
    assertEquals(GrantStatus.GENERAL_ERROR, unmap(TARGET + 0x1000, handle));
    assertEquals(GrantStatus.OKAY, unmap(TARGET, handle));
    assertThrows(GuestFault.class, () -> memory.getLong(TARGET));
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
    assertEquals(references, frames.references(mfn));
    assertEquals(GrantStatus.BAD_HANDLE, unmap(TARGET, handle));
  }

  @Test
  void aReadOnlyMappingCannotBeWritten() {
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP | GrantMappings.READONLY));
    assertEquals(0x1122_3344L, memory.getLong(TARGET));
    assertThrows(GuestFault.class, () -> memory.putLong(TARGET, 1));
    int handle = handle();
    long upgrade = Pte.of(mfn, LEAF);
    assertTrue(
        guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, TARGET, upgrade, 0) < 0,
        "nor be made writable by ordinary means");
    assertEquals(GrantStatus.OKAY, unmap(TARGET, handle));
  }

  @Test
  void aMappingMayBeNamedByItsEntry() {
    long entry = (machine.control().mfn(mapper.domid(), 3) << 12) + 8 * (TARGET >>> 12);
    int flags = GrantMappings.HOST_MAP | GrantMappings.CONTAINS_PTE;
    assertTrue(map(entry + 4, flags) < 0, "not aligned (XSA-227)");
    assertEquals(GrantStatus.OKAY, map(entry, flags));
    assertEquals(0x1122_3344L, memory.getLong(TARGET));
    assertEquals(GrantStatus.OKAY, unmap(entry, handle()));
    assertEquals(references, frames.references(mfn));
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
  }

  @Test
  void refusalsLeaveNothingBehind() {
    assertEquals(GrantStatus.BAD_GNTREF, map(TARGET, 0));
    assertEquals(GrantStatus.BAD_DOMAIN, map(TARGET, GrantMappings.HOST_MAP, REF, 999));
    assertEquals(GrantStatus.BAD_GNTREF, map(TARGET, GrantMappings.HOST_MAP, 512, granter.domid()));
    assertEquals(
        GrantStatus.GENERAL_ERROR, map(TARGET, GrantMappings.HOST_MAP, 10, granter.domid()));
    for (long bad : new long[] {0xFFFF_8000_0000_0000L, 0x4000_0000L, 3L << 60}) {
      assertTrue(map(bad, GrantMappings.HOST_MAP) < 0, () -> "address 0x" + Long.toHexString(bad));
    }
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
    assertEquals(references, frames.references(mfn));
    assertEquals(-1, handle());
  }

  @Test
  void anEntryOverwrittenByOrdinaryMeansKeepsTheGrantInUseUntilTheMapperDies() {
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP));
    int handle = handle();
    assertEquals(0, guest.hypercall(HypercallNumber.UPDATE_VA_MAPPING, TARGET, 0, 0));
    assertEquals(references, frames.references(mfn));
    assertTrue(unmap(TARGET, handle) < 0);
    assertTrue((flags() & GrantEntryLayout.READING) != 0);
    machine.control().destroyDomain(mapper.domid());
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
    assertEquals(references, frames.references(mfn));
  }

  @Test
  void aMapperThatDiesGivesBackWhatItHadMapped() {
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP | GrantMappings.DEVICE_MAP));
    assertEquals(references + 2, frames.references(mfn));
    machine.control().destroyDomain(mapper.domid());
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
    assertEquals(references, frames.references(mfn));
  }

  @Test
  void aGrantersFrameLivesUntilItIsUnmapped() {
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP));
    int handle = handle();
    machine.control().destroyDomain(granter.domid());
    assertEquals(0x1122_3344L, memory.getLong(TARGET));
    assertFalse(frames.isAllocated(mfn));
    assertEquals(1, frames.references(mfn));
    assertEquals(GrantStatus.OKAY, unmap(TARGET, handle));
    assertEquals(0, frames.references(mfn));
    assertEquals(GrantStatus.BAD_DOMAIN, map(TARGET, GrantMappings.HOST_MAP));
  }

  @Test
  void anEntryTakesThePlaceOfAnUnmappedGrant() {
    assertEquals(GrantStatus.OKAY, map(TARGET, GrantMappings.HOST_MAP));
    long spare = TARGET + 0x1000;
    memory.putLong(spare, 4711);
    memory.putLong(ARG + 8, spare);
    memory.putInt(ARG + 16, handle());
    memory.putLong(ARG, TARGET);
    assertEquals(0, op(GrantOpLayout.UNMAP_AND_REPLACE, 1));
    assertEquals(GrantStatus.OKAY, status(ARG + GrantOpLayout.UNMAP_STATUS));
    assertEquals(4711, memory.getLong(TARGET));
    assertThrows(GuestFault.class, () -> memory.getLong(spare));
    assertEquals(references, frames.references(mfn));
    assertEquals(GrantEntryLayout.PERMIT_ACCESS, flags());
  }

  private void putCopy(int index, long target, int offset, int length) {
    putCopyAt(ARG + (long) index * GrantOpLayout.COPY_SIZE, target, offset, length);
  }

  private void putCopyAt(long at, long target, int offset, int length) {
    memory.putLong(at, REF);
    memory.putInt(at + 8, granter.domid());
    memory.putLong(at + 16, machine.control().mfn(mapper.domid(), target >>> 12));
    memory.putInt(at + 24, Domid.SELF | offset << 16);
    memory.putInt(at + 32, length | GrantCopy.SOURCE_IS_REF << 16);
    memory.putInt(at + 36, 0x7FFF);
  }

  @Test
  void aLongArrayIsContinuedWhenTheVcpuIsPreempted() {
    int count = 100;
    for (int i = 0; i < count; i++) {
      putCopy(i, TARGET, 4 * i, 4);
    }
    CpuState first =
        guest.step(s -> {
          mapper.vcpu(0).preempt();
          return ScriptedVcpu.syscall(
              s, HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.COPY, ARG, count);
        });
    long rip = first.rip;
    assertEquals(HypercallNumber.GRANT_TABLE_OP, first.gpr[CpuState.RAX]);
    assertEquals(GrantOpLayout.COPY, first.gpr[CpuState.RDI]);
    assertEquals(ARG + 64 * GrantOpLayout.COPY_SIZE, first.gpr[CpuState.RSI]);
    assertEquals(36, first.gpr[CpuState.RDX]);
    assertEquals(0, memory.getInt(TARGET + 4 * 64));
    CpuState second =
        guest.step(s ->
            ScriptedVcpu.syscall(
                s,
                (int) s.gpr[CpuState.RAX],
                s.gpr[CpuState.RDI],
                s.gpr[CpuState.RSI],
                s.gpr[CpuState.RDX]));
    assertEquals(0, second.gpr[CpuState.RAX]);
    assertEquals(rip + 2, second.rip);
    for (int i = 0; i < count; i++) {
      assertEquals(0x1122_3344, memory.getInt(TARGET + 4 * i));
      assertEquals(0, status(ARG + (long) i * GrantOpLayout.COPY_SIZE + GrantOpLayout.COPY_STATUS));
    }
    assertEquals(references, frames.references(mfn));
  }

  @Test
  void copiesAreReadAndAnsweredWhereverThePagesOfTheirArrayEnd() {
    int count = 5;
    int size = GrantOpLayout.COPY_SIZE;
    for (int before = 0; before <= 3 * size; before++) {
      long array = ARG + 0x1000 - before;
      for (int i = 0; i < count; i++) {
        memory.putInt(TARGET + 4 * i, 0);
        putCopyAt(array + (long) i * size, TARGET, i == 1 ? 4090 : 4 * i, i == 1 ? 8 : 4);
      }
      assertEquals(
          0, guest.hypercall(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.COPY, array, count));
      for (int i = 0; i < count; i++) {
        long at = array + (long) i * size;
        String where = "bytes in the first page: " + before + ", copy " + i;
        assertEquals(
            i == 1 ? GrantStatus.BAD_COPY_ARG : GrantStatus.OKAY,
            status(at + GrantOpLayout.COPY_STATUS),
            where);
        assertEquals(REF, memory.getLong(at), where);
        assertEquals(0, memory.getShort(at + GrantOpLayout.COPY_STATUS + 2), where);
        assertEquals(i == 1 ? 0 : 0x1122_3344, memory.getInt(TARGET + 4 * i), where);
      }
    }
    assertEquals(references, frames.references(mfn));
  }

  /** The first mapping puts the granted page where the second one's structure is. */
  @Test
  void aMappingIsReadThroughThePageTablesAsItsPredecessorLeftThem() {
    long array = ARG + 0x1000 - GrantOpLayout.MAP_SIZE;
    memory.putLong(array, ARG + 0x1000);
    memory.putInt(array + 8, GrantMappings.HOST_MAP);
    memory.putInt(array + 12, REF);
    memory.putInt(array + 16, granter.domid());
    memory.putLong(array + 32, TARGET); // what it would find if it looked too early
    memory.putInt(array + 40, GrantMappings.HOST_MAP);
    memory.putInt(array + 44, 3);
    memory.putInt(array + 48, granter.domid());
    granterMemory.putLong(GRANTED, TARGET);
    granterMemory.putInt(GRANTED + 8, GrantMappings.HOST_MAP | GrantMappings.READONLY);
    granterMemory.putInt(GRANTED + 12, REF);
    granterMemory.putInt(GRANTED + 16, granter.domid() | 0x7FFF << 16);
    assertEquals(
        0, guest.hypercall(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.MAP_GRANT_REF, array, 2));
    assertEquals(GrantStatus.OKAY, status(array + GrantOpLayout.MAP_STATUS));
    assertEquals(0, granterMemory.getShort(GRANTED + GrantOpLayout.MAP_STATUS));
    assertEquals(TARGET, memory.getLong(TARGET));
    assertEquals(mfn << 12, granterMemory.getLong(GRANTED + GrantOpLayout.MAP_DEVICE));
  }

  @Test
  void badCopiesHaveAStatusOfTheirOwn() {
    putCopy(0, TARGET, 4000, 97);
    putCopy(1, TARGET, 0, 8);
    assertEquals(0, op(GrantOpLayout.COPY, 2));
    assertEquals(GrantStatus.BAD_COPY_ARG, status(ARG + GrantOpLayout.COPY_STATUS));
    assertEquals(
        GrantStatus.OKAY, status(ARG + GrantOpLayout.COPY_SIZE + GrantOpLayout.COPY_STATUS));
    putCopy(0, 3 << 12, 0, 8);
    assertEquals(0, op(GrantOpLayout.COPY, 1));
    assertEquals(GrantStatus.BAD_PAGE, status(ARG + GrantOpLayout.COPY_STATUS), "a page table");
  }

  @Test
  void theTableIsQueriedAndVersionedAndGrown() {
    memory.putLong(ARG, Domid.SELF);
    assertEquals(0, op(GrantOpLayout.QUERY_SIZE, 1));
    assertEquals(1, memory.getInt(ARG + 4));
    assertEquals(64, memory.getInt(ARG + 8));
    assertEquals(0, status(ARG + 12));
    assertEquals(-Errno.EINVAL, op(GrantOpLayout.QUERY_SIZE, 2));
    memory.putInt(ARG, granter.domid());
    assertEquals(0, op(GrantOpLayout.QUERY_SIZE, 1));
    assertEquals(GrantStatus.PERMISSION_DENIED, status(ARG + 12));
    memory.putInt(ARG, 1);
    assertEquals(0, op(GrantOpLayout.SET_VERSION, 1));
    memory.putInt(ARG, 3);
    assertEquals(-Errno.EINVAL, op(GrantOpLayout.SET_VERSION, 1));
    memory.putLong(ARG, Domid.SELF);
    assertEquals(0, op(GrantOpLayout.GET_VERSION, 1));
    assertEquals(1, memory.getInt(ARG + 4));
    memory.putLong(ARG, (long) Domid.SELF | 65L << 32);
    memory.putLong(ARG + 16, LIST);
    assertEquals(0, op(GrantOpLayout.SETUP_TABLE, 1));
    assertEquals(GrantStatus.GENERAL_ERROR, status(ARG + 8));
    memory.putLong(ARG, (long) Domid.SELF | 64L << 32);
    memory.putLong(ARG + 16, 3 << 12);
    assertEquals(0, op(GrantOpLayout.SETUP_TABLE, 1));
    assertEquals(GrantStatus.BAD_VIRT_ADDR, status(ARG + 8), "the list cannot be stored");
    memory.putLong(ARG + 16, 0xFFFF_8000_0000_0000L);
    assertEquals(-Errno.EFAULT, op(GrantOpLayout.SETUP_TABLE, 1), "nor ever will be");
    memory.putLong(ARG + 16, LIST);
    assertEquals(0, op(GrantOpLayout.SETUP_TABLE, 1));
    assertEquals(GrantStatus.OKAY, status(ARG + 8));
    assertEquals(64, mapper.grants().frames());
    assertEquals(mapper.grants().frame(63), memory.getLong(LIST + 8 * 63));
  }

  @Test
  void whatIsNotThereOrMalformedSaysSo() {
    assertEquals(-Errno.ENOSYS, op(GrantOpLayout.DUMP_TABLE, 1));
    assertEquals(-Errno.ENOSYS, op(13, 1));
    assertEquals(-Errno.EINVAL, op(1 << 12, 1), "the bits above a command are Xen's own");
    assertEquals(-Errno.EINVAL, op(GrantOpLayout.MAP_GRANT_REF, -1));
    assertEquals(0, op(GrantOpLayout.MAP_GRANT_REF, 0));
    assertEquals(
        -Errno.EFAULT,
        guest.hypercall(HypercallNumber.GRANT_TABLE_OP, GrantOpLayout.COPY, 0x4000_0000L, 1));
  }

  private long cacheFlush(long mfn, int offset, int length, int op) {
    memory.putLong(ARG, mfn << 12);
    memory.putLong(ARG + 8, offset | (long) length << 16 | (long) op << 32);
    return op(GrantOpLayout.CACHE_FLUSH, 1);
  }

  @Test
  void cachesAreFlushedForOnesOwnFramesOnly() {
    long own = mapper.mmu().p2m().mfn(20);
    assertEquals(0, cacheFlush(own, 0, 4096, 1));
    assertEquals(0, cacheFlush(own, 4095, 1, 3));
    assertEquals(-Errno.EOPNOTSUPP, cacheFlush(own, 0, 1, 2), "x86 cannot");
    assertEquals(-Errno.EINVAL, cacheFlush(own, 1, 4096, 1));
    assertEquals(-Errno.EINVAL, cacheFlush(own, 4096, 0, 1));
    assertEquals(-Errno.EINVAL, cacheFlush(own, 0, 1, 4));
    assertEquals(-Errno.EINVAL, cacheFlush(own, 0, 1, 1 << 31 | 1));
    assertEquals(0, cacheFlush(-1, 0, 0, 1), "nothing is nobody's");
    assertEquals(-Errno.EINVAL, cacheFlush(1L << 40, 0, 1, 1), "no such frame");
    assertEquals(-Errno.EPERM, cacheFlush(1, 0, 1, 1), "the hypervisor's");
    assertEquals(-Errno.EINVAL, cacheFlush(granter.mmu().p2m().mfn(20), 0, 1, 1), "not mapped");
  }
}

package dev.domus.kernel.mmu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.iommu.IoDomain;
import dev.domus.iommu.IommuUnit;
import dev.domus.iommu.UnitSettings;
import dev.domus.kernel.abi.Domid;
import dev.domus.memory.FrameTable;
import dev.domus.memory.paging.Pte;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * One run of random MMU operations by two domains, the grants between them, a privileged third one
 * that maps frames of the others and changes their tables, and I/O frames. Frames have preferred
 * roles, so that most of what is tried is nearly right. Calls are preempted wherever they can be
 * two times in three, and some of those are never continued.
 */
final class RandomMmu {
  private static final int PAGES = 40;
  private static final int PRIVILEGED = 3;
  private static final long IO_START = TestMachine.FRAMES + 100;

  enum Op {
    WRITE_FRAME,
    BUILD,
    PIN,
    UNPIN,
    BASE,
    USER_BASE,
    UPDATE,
    UPDATE_VA,
    STORE,
    GIVE_BACK,
    ALLOCATE,
    GDT,
    LDT,
    ATTACH,
    DESCRIPTOR,
    CLEAR,
    COPY,
    GRANT,
    UNGRANT,
    REPLACE_GRANT,
    HOLD,
    ACCESS,
    FLUSH,
    SET_UP,
    EXCHANGE,
    MAP_FOREIGN,
    MAP_INTO_OTHER,
    IO_RIGHT,
    MAP_IO,
    PLUG,
    DMA,
    DEVICE_GRANT,
    DEVICE_UNGRANT
  }

  private record Grant(
      TestDomain mapper, TestVcpu v, long address, boolean pte, long mfn, boolean writable) {}

  /** A frame of another domain's, or one's own, that was mapped for devices. */
  private record DeviceGrant(TestDomain mapper, long mfn, boolean writable) {}

  final TestMachine m = new TestMachine();
  final IommuUnit unit =
      new IommuUnit(m.memory(), m.frames, m.allocator, m.codeFrames, UnitSettings.usual());
  final Map<TestDomain, TestDevice> devices = new java.util.HashMap<>();
  final List<DeviceGrant> deviceGrants = new ArrayList<>();
  final InvariantScanner scanner = new InvariantScanner(m).privileged(PRIVILEGED);
  final Random random;
  final List<Grant> grants = new ArrayList<>();
  final Map<TestDomain, List<Long>> pages = new java.util.HashMap<>();

  RandomMmu(long seed) {
    random = new Random(seed);
    for (int domid = 1; domid <= PRIVILEGED; domid++) {
      start(domid);
    }
  }

  TestDomain start(int domid) {
    TestDomain d = m.domain(domid, PAGES);
    for (TestVcpu v : d.vcpus) {
      v.preempt = () -> random.nextInt(3) != 0;
    }
    d.forgets = () -> random.nextInt(12) == 0;
    List<Long> mine = new ArrayList<>();
    for (int i = 0; i < PAGES - 2; i++) {
      mine.add(d.page());
    }
    mine.add(d.mmu.allocateSpecial());
    pages.put(d, mine);
    return d;
  }

  int role(long mfn) {
    return (int) (mfn * 0x9E3779B97F4A7C15L >>> 61); // 0 and 5..7: data
  }

  long any(TestDomain d) {
    List<Long> mine = pages.get(d);
    return switch (random.nextInt(40)) {
      case 0 -> random.nextInt(TestMachine.FRAMES);
      case 1 -> m.m2p.firstFrame() + random.nextInt(4);
      case 2 -> random.nextLong() >>> random.nextInt(64);
      case 3 -> foreign(d);
      default -> mine.isEmpty() ? 0 : mine.get(random.nextInt(mine.size()));
    };
  }

  long foreign(TestDomain d) {
    List<Long> others = pages.get(other(d));
    return others.isEmpty() ? 0 : others.get(random.nextInt(others.size()));
  }

  long withRole(TestDomain d, int role) {
    for (int tries = 0; tries < 20; tries++) {
      long mfn = any(d);
      if (random.nextInt(12) == 0
          || (role == 0 ? role(mfn) == 0 || role(mfn) > 4 : role(mfn) == role)) {
        return mfn;
      }
    }
    return any(d);
  }

  TestDomain other(TestDomain d) {
    return m.domains.get(0) == d ? m.domains.get(1) : m.domains.get(0);
  }

  int index(int level) {
    if (random.nextInt(4) != 0) {
      return random.nextInt(2);
    }
    int[] few = level == 4 ? new int[] {255, 272, 511, 256, 260, 271} : new int[] {2, 511};
    return few[random.nextInt(few.length)];
  }

  long flags(int level) {
    long flags = Pte.P;
    if (random.nextInt(8) == 0) {
      flags = 0;
    }
    if (random.nextInt(3) != 0) {
      flags |= Pte.W;
    }
    flags |= random.nextLong() & (Pte.U | Pte.A | Pte.D | Pte.AVAIL | Pte.AVAIL_HIGH | Pte.NX);
    if (random.nextInt(30) == 0) {
      flags |= random.nextLong() & (Pte.G | Pte.PS | Pte.PCD | Pte.PWT);
    }
    return flags;
  }

  long entry(TestDomain d, long table, int level) {
    long target =
        switch (random.nextInt(12)) {
          case 0 -> table;
          case 1 -> withRole(d, level);
          default ->
              level <= 1
                  ? withRole(d, random.nextInt(6) == 0 ? 1 + random.nextInt(4) : 0)
                  : withRole(d, level - 1);
        };
    long flags = flags(level);
    boolean probablyLinear =
        role(target) == level || level == 1 && role(target) != 0 && role(target) < 5;
    if (probablyLinear && random.nextInt(4) != 0) {
      flags &= ~Pte.W;
    }
    return target << 12 & Pte.ADDRESS_MASK | flags;
  }

  /** An address; mostly one that the vCPU's tables map, as far down as they do. */
  long va(TestVcpu v) {
    long va = 0;
    long table = v.kernelTable();
    for (int level = 4; level >= 1; level--) {
      int index = index(level);
      for (int tries = 0;
          tries < 6 && table >= 0 && (m.entry(table, index) & Pte.P) == 0;
          tries++) {
        index = index(level);
      }
      boolean present = table >= 0 && (m.entry(table, index) & Pte.P) != 0;
      table = present && level > 1 ? Pte.mfn(m.entry(table, index)) : -1;
      va |= (long) index << 12 + 9 * (level - 1);
    }
    va = va << 16 >> 16;
    return random.nextInt(50) == 0 ? random.nextLong() : va;
  }

  boolean isEmpty(long l4) {
    return !m.frames.exists(l4) || ((m.entry(l4, 0) | m.entry(l4, 1)) & Pte.P) == 0;
  }

  long base(TestDomain d) {
    long mfn = withRole(d, 4);
    for (int tries = 0; tries < 10 && isEmpty(mfn); tries++) {
      mfn = withRole(d, 4);
    }
    return mfn;
  }

  /** A guest can store only into frames that it can map writable. */
  boolean guestWritable(TestDomain d, long mfn) {
    return m.frames.exists(mfn)
        && m.frames.owner(mfn) == d.domid
        && (m.frames.typeCount(mfn) == 0 || m.frames.type(mfn) == FrameTable.WRITABLE);
  }

  boolean guestWrite(TestDomain d, long mfn, int index, long value) {
    if (!guestWritable(d, mfn)) {
      return false;
    }
    // A real store goes through a writable mapping, which takes the type; a descriptor page must
    // not stay validated.
    if (!m.machine.getWritable(d.domid, mfn)) {
      return false;
    }
    m.poke(mfn, index, value);
    m.machine.putWritable(mfn);
    return true;
  }

  boolean step(Op op) {
    TestDomain d = m.domains.get(random.nextInt(3));
    TestVcpu v = d.vcpus[random.nextInt(2)];
    Mmu mmu = d.mmu;
    return switch (op) {
      case WRITE_FRAME -> {
        long mfn = any(d);
        int level = role(mfn) >= 1 && role(mfn) <= 4 ? role(mfn) : 1 + random.nextInt(4);
        yield guestWrite(d, mfn, index(level), entry(d, mfn, level));
      }
      case BUILD -> build(d, v);
      case PIN -> {
        int level = 1 + random.nextInt(4);
        yield d.pin(level, withRole(d, level)) == 0;
      }
      case UNPIN -> d.unpin(any(d)) == 0;
      case BASE -> d.newBasePointer(v, base(d)) == 0;
      case USER_BASE ->
          d.newUserBasePointer(v, random.nextInt(4) == 0 ? 0 : withRole(d, 4), random.nextBoolean())
              == 0;
      case UPDATE -> {
        long mfn = any(d);
        int level = role(mfn) >= 1 && role(mfn) <= 4 ? role(mfn) : 1;
        int targetOwner = random.nextInt(20) == 0 ? other(d).domid : d.domid;
        long value = entry(d, mfn, level);
        if (targetOwner != d.domid) {
          value &= ~Pte.P; // who may name another domain here is checked by the caller
        }
        int result =
            d.updateAt((mfn << 12) + 8L * index(level), value, targetOwner, random.nextBoolean());
        if (result == EntryUpdates.FLUSH_DUE && random.nextInt(4) == 0) {
          mmu.flushTlb(); // what the guest is owed; isolation must not need it
        }
        yield result >= 0;
      }
      case STORE -> { // by writable page tables
        long mfn = withRole(d, 1);
        if (!m.machine.get(d.domid, mfn)) {
          yield false;
        }
        int index = index(1);
        long old = m.entry(mfn, index) ^ (random.nextInt(8) == 0 ? Pte.A : 0);
        int result = d.compareAndUpdateLeaf(mfn, index, old, entry(d, mfn, 1));
        m.machine.put(mfn);
        yield result == 0;
      }
      case UPDATE_VA -> d.updateMapping(v, va(v), entry(d, 0, 1), d.domid) == 0;
      case GIVE_BACK -> {
        long mfn = any(d);
        yield pages.get(d).size() > 25
            && random.nextBoolean()
            && mmu.giveBack(mfn)
            && pages.get(d).remove(mfn);
      }
      case ALLOCATE -> {
        long mfn = mmu.allocate(0);
        if (mfn >= 0) {
          pages.get(d).add(mfn);
        }
        yield mfn >= 0;
      }
      case GDT -> {
        long[] mfns = new long[14];
        for (int i = 0; i < mfns.length; i++) {
          mfns[i] = withRole(d, 0);
        }
        yield mmu.setGdt(v, mfns, random.nextInt(1200)) == 0;
      }
      case LDT -> mmu.setLdt(v, va(v) & -4096, random.nextInt(1025)) == 0;
      case ATTACH -> {
        long at = va(v) & -4096;
        long leaf = v.kernelTable() < 0 ? -1 : v.access(at, false);
        if (leaf >= 0 && random.nextBoolean()) {
          mmu.entries().clearPage(leaf >>> 12);
          mmu.setLdt(v, at, 512);
        }
        yield v.kernelTable() >= 0 && mmu.attachLdt(v, random.nextInt(4096) | 4);
      }
      case DESCRIPTOR -> {
        long descriptor =
            random.nextBoolean()
                ? random.nextLong()
                : 0x00CF9A000000FFFFL | random.nextLong() & 3L << 45;
        yield mmu.entries().updateDescriptor((any(d) << 12) + 8L * random.nextInt(512), descriptor)
            == 0;
      }
      case CLEAR -> random.nextInt(4) == 0 && mmu.entries().clearPage(any(d)) == 0;
      case COPY -> mmu.entries().copyPage(any(d), any(d)) == 0;
      case GRANT -> grant(d, v);
      case UNGRANT -> ungrant();
      case REPLACE_GRANT -> replaceGrant();
      case HOLD -> hold(d);
      case ACCESS -> {
        boolean any = false;
        for (int i = 0; i < 8; i++) {
          v.userMode = random.nextInt(3) == 0;
          any |= v.access(va(v), random.nextBoolean()) >= 0;
        }
        v.userMode = false;
        yield any;
      }
      case FLUSH -> {
        if (random.nextInt(6) == 0) {
          mmu.flushTlb();
        }
        yield true;
      }
      case SET_UP ->
          d.setUpVcpu(
                  v,
                  base(d),
                  random.nextBoolean() ? 0 : withRole(d, 4),
                  new long[] {any(d)},
                  random.nextInt(513),
                  va(v) & -4096,
                  random.nextInt(600))
              == 0;
      case EXCHANGE -> {
        long[] old = new long[1 << random.nextInt(3)];
        for (int i = 0; i < old.length; i++) {
          old[i] = any(d);
        }
        int order = random.nextInt(Integer.numberOfTrailingZeros(old.length) + 1);
        long[] fresh = new long[old.length >> order];
        boolean done = mmu.exchange(old, order, fresh) == 0;
        for (int i = 0; done && i < old.length; i++) {
          pages.get(d).remove(old[i]);
          pages.get(d).add(fresh[i >> order] + (i & (1 << order) - 1));
        }
        yield done;
      }
      case MAP_FOREIGN -> mapForeign();
      case MAP_INTO_OTHER -> {
        long mine = any(m.domains.get(PRIVILEGED - 1));
        boolean done = d.updateMapping(v, va(v), Pte.of(mine, flags(1)), PRIVILEGED) == 0;
        if (done) {
          scanner.grant(d.domid, mine);
        }
        yield done;
      }
      case IO_RIGHT -> {
        long first = IO_START + random.nextInt(6);
        int count = 1 + random.nextInt(3);
        if (random.nextBoolean()) {
          mmu.io().revokeMemory(first, count);
        } else {
          mmu.io().grantMemory(first, count);
          for (int i = 0; i < count; i++) {
            scanner.permitIo(d.domid, first + i);
          }
        }
        yield true;
      }
      case MAP_IO -> {
        long cache = random.nextLong() & (Pte.PCD | Pte.PWT | Pte.PS);
        long entry = Pte.of(IO_START + random.nextInt(10), flags(1) | cache);
        int owner = random.nextBoolean() ? Domid.IO : d.domid;
        yield d.updateMapping(v, va(v), entry, owner) == 0 && (entry & Pte.P) != 0;
      }
      case PLUG -> plugOrUnplug(d);
      case DMA -> dma(d);
      case DEVICE_GRANT -> deviceGrant(d);
      case DEVICE_UNGRANT -> deviceUngrant();
    };
  }

  // ---- devices

  boolean plugOrUnplug(TestDomain d) {
    if (random.nextInt(4) != 0) {
      return false;
    }
    TestDevice device = devices.remove(d);
    if (device != null) {
      d.mmu.stopDevices();
      device.close();
      return false;
    }
    TestDevice fresh = new TestDevice(unit, d.domid);
    devices.put(d, fresh);
    assertEquals(0, d.mmu.startDevices(fresh));
    return true;
  }

  /** A device writes somewhere, and is refused exactly where the reference says. */
  boolean dma(TestDomain d) {
    TestDevice device = devices.get(d);
    if (device == null) {
      return false;
    }
    boolean done = false;
    for (int i = 0; i < 8; i++) {
      long mfn = any(d);
      if (!m.frames.exists(mfn) || mfn == 0) {
        continue;
      }
      int level = role(mfn) >= 1 && role(mfn) <= 4 ? role(mfn) : 1 + random.nextInt(4);
      boolean written = device.writes(mfn, index(level), entry(d, mfn, level));
      assertEquals(mayReach(d, mfn, true), written, () -> "DMA to " + m.frames.describe(mfn));
      done |= written;
    }
    return done;
  }

  private boolean mayReach(TestDomain d, long mfn, boolean writing) {
    return DeviceReference.isReached(m.frames, d.domid, mfn)
        || m.frames.owner(mfn) != d.domid
            && deviceGrants.stream()
                .anyMatch(g -> g.mapper == d && g.mfn == mfn && (g.writable || !writing));
  }

  boolean deviceGrant(TestDomain mapper) {
    TestDomain granter = random.nextInt(6) == 0 ? mapper : other(mapper);
    long mfn = any(granter);
    boolean writable = random.nextBoolean();
    boolean got =
        writable ? m.machine.getWritable(granter.domid, mfn) : m.machine.get(granter.domid, mfn);
    if (!got) {
      return false;
    }
    assertTrue(mapper.mmu.openGranted(mfn, writable));
    deviceGrants.add(new DeviceGrant(mapper, mfn, writable));
    scanner.holders.add(new InvariantScanner.Holder(mfn, writable));
    return true;
  }

  boolean deviceUngrant() {
    if (deviceGrants.isEmpty()) {
      return false;
    }
    ungrantDevice(deviceGrants.remove(random.nextInt(deviceGrants.size())));
    return true;
  }

  private void ungrantDevice(DeviceGrant g) {
    g.mapper.mmu.withdrawGranted(g.mfn, g.writable);
    scanner.holders.remove(new InvariantScanner.Holder(g.mfn, g.writable));
    drop(g.mfn, g.writable);
  }

  /** Compares all that devices reach with what they may. */
  void checkDevices() {
    devices.forEach((d, device) -> {
      for (long each = 1; each < TestMachine.FRAMES; each++) {
        long mfn = each;
        long reached = device.space.lookup(mfn << 12);
        long rights = reached & (IoDomain.READ | IoDomain.WRITE);
        long allowed =
            (mayReach(d, mfn, false) ? IoDomain.READ : 0)
                | (mayReach(d, mfn, true) ? IoDomain.WRITE : 0);
        assertEquals(allowed, rights, () -> "d" + d.domid + " " + m.frames.describe(mfn));
        assertTrue(reached == 0 || (reached & Pte.ADDRESS_MASK) >>> 12 == mfn);
      }
    });
  }

  /** The privileged domain maps a frame of somebody else's, or a part of the M2P. */
  boolean mapForeign() {
    TestDomain mapper = m.domains.get(PRIVILEGED - 1);
    TestVcpu v = mapper.vcpus[random.nextInt(2)];
    TestDomain target = m.domains.get(random.nextInt(2));
    boolean m2p = random.nextInt(5) == 0;
    long mfn = m2p ? m.m2p.firstFrame() + random.nextInt(4) : any(target);
    int owner = m2p ? Domid.XEN : target.domid;
    long entry = mfn << 12 & Pte.ADDRESS_MASK | flags(1);
    boolean done =
        random.nextBoolean()
            ? mapper.updateMapping(v, va(v), entry, owner) == 0
            : mapper.updateAt((withRole(mapper, 1) << 12) + 8L * index(1), entry, owner, false)
                >= 0;
    return done && (entry & Pte.P) != 0;
  }

  /**
   * Wires up frames of fitting roles from the leaves up, so that whole trees come to exist, and
   * uses them.
   */
  boolean build(TestDomain d, TestVcpu v) {
    long below = withRole(d, 0);
    for (int level = 1; level <= 4; level++) {
      long table = withRole(d, level);
      if (guestWritable(d, table) && random.nextInt(3) != 0) {
        d.mmu.entries().clearPage(table);
      }
      for (int i = 0; i < 2; i++) {
        long target = i == 0 ? below : withRole(d, level == 1 ? 0 : level - 1);
        guestWrite(d, table, i, target << 12 & Pte.ADDRESS_MASK | flags(level) & ~Pte.NX | Pte.U);
      }
      below = table;
    }
    return random.nextInt(3) == 0 ? d.pin(4, below) == 0 : d.newBasePointer(v, below) == 0;
  }

  boolean grant(TestDomain mapper, TestVcpu v) {
    TestDomain granter = random.nextInt(6) == 0 ? mapper : other(mapper);
    long mfn =
        pages.get(granter).isEmpty()
            ? 0
            : pages.get(granter).get(random.nextInt(pages.get(granter).size()));
    boolean writable = random.nextBoolean();
    boolean got =
        writable ? m.machine.getWritable(granter.domid, mfn) : m.machine.get(granter.domid, mfn);
    if (!got) {
      return false;
    }
    boolean pte = random.nextBoolean();
    long address =
        pte
            ? (withRole(mapper, 1) << 12) + 8L * index(1) + (random.nextInt(30) == 0 ? 1 : 0)
            : va(v);
    long flags = Pte.P | Pte.A | Pte.D | Pte.NX | (writable ? Pte.W : 0);
    scanner.grant(mapper.domid, mfn);
    if (mapper.mmu.entries().installGrant(v, address, Pte.of(mfn, flags), pte) == 0) {
      grants.add(new Grant(mapper, v, address, pte, mfn, writable));
      return true;
    }
    drop(mfn, writable);
    ungrant(mapper.domid, mfn);
    return false;
  }

  void ungrant(int domid, long mfn) {
    for (int i = 0; i < scanner.grants.size(); i++) {
      if (scanner.grants.get(i)[0] == domid && scanner.grants.get(i)[1] == mfn) {
        scanner.grants.remove(i);
        return;
      }
    }
  }

  void drop(long mfn, boolean writable) {
    if (writable) {
      m.machine.putWritable(mfn);
    } else {
      m.machine.put(mfn);
    }
  }

  boolean ungrant() {
    if (grants.isEmpty()) {
      return false;
    }
    Grant g = grants.remove(random.nextInt(grants.size()));
    boolean writable = random.nextInt(20) == 0 ? !g.writable : g.writable;
    int result = g.mapper.mmu.entries().removeGrant(g.v, g.address, g.mfn, writable, g.pte);
    if (result == 0) {
      g.mapper.mmu.entries().flush();
      drop(g.mfn, writable);
      ungrant(g.mapper.domid, g.mfn);
    }
    return result
        == 0; // else overwritten by ordinary means: its references are gone, the grant stays
  }

  boolean replaceGrant() {
    if (grants.isEmpty()) {
      return false;
    }
    Grant g = grants.get(random.nextInt(grants.size()));
    int result = g.mapper.mmu.entries().replaceGrant(g.v, g.address, va(g.v), g.mfn, g.writable);
    if (result == 0) {
      g.mapper.mmu.entries().flush();
      grants.remove(g);
      drop(g.mfn, g.writable);
      ungrant(g.mapper.domid, g.mfn);
    }
    return result == 0;
  }

  boolean hold(TestDomain d) {
    if (scanner.holders.size() > deviceGrants.size()
        && (random.nextBoolean() || scanner.holders.size() > 6)) {
      InvariantScanner.Holder holder = scanner.holders.get(random.nextInt(scanner.holders.size()));
      if (deviceGrants.stream()
          .anyMatch(g -> g.mfn == holder.mfn() && g.writable == holder.writable())) {
        return false; // it may be the device's
      }
      scanner.holders.remove(holder);
      drop(holder.mfn(), holder.writable());
      return true;
    }
    long mfn = any(d);
    boolean writable = random.nextBoolean();
    if (writable ? m.machine.getWritable(d.domid, mfn) : m.machine.get(d.domid, mfn)) {
      scanner.holders.add(new InvariantScanner.Holder(mfn, writable));
      return true;
    }
    return false;
  }

  /**
   * Grants are torn down first, as the life cycle says; what the guest overwrote is not found and
   * not put again.
   */
  void end(TestDomain d) {
    List<Grant> mine = new ArrayList<>(grants);
    for (Grant g : mine) {
      if (g.mapper == d) {
        grants.remove(g);
        if (d.mmu.entries().removeGrant(g.v, g.address, g.mfn, g.writable, g.pte) == 0) {
          d.mmu.entries().flush();
          drop(g.mfn, g.writable);
        }
      }
    }
    TestDevice device = devices.remove(d);
    if (device != null) {
      d.mmu.stopDevices();
      device.close();
    }
    for (DeviceGrant g : List.copyOf(deviceGrants)) {
      if (g.mapper == d) {
        deviceGrants.remove(g);
        ungrantDevice(g);
      }
    }
    d.mmu.relinquish(d.vcpus);
    scanner.grants.removeIf(g -> g[0] == d.domid);
    pages.get(d).clear();
    pages.get(d).add(0L);
  }
}

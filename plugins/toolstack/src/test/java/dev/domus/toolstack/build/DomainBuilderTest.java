package dev.domus.toolstack.build;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.kernel.service.HypercallException;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.ImageFile;
import dev.domus.toolstack.image.KernelImage;
import dev.domus.toolstack.image.TestImage;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * The finished domain, looked at as a guest sees it. Offsets are those of xen-pv-abi.md, 3.1,
 * written out.
 */
class DomainBuilderTest {
  private static final long PAGES = 8192;
  private static final long LINUX_BASE = 0xFFFFFFFF80000000L;
  private static final long FLAGS = 0xFFF0000000000FFFL;

  private final FakeControl control = new FakeControl(PAGES);

  private static DomainSpec spec(long pages) {
    return new DomainSpec(new UUID(1, 2), pages, 1, "jvm", "Pool-0", 256, 0, false);
  }

  private BuiltDomain build(KernelImage image, Optional<ImageFile> ramdisk)
      throws BadInputException {
    return new DomainBuilder(control, 0, 0).build(image, ramdisk, "a=b c", spec(PAGES));
  }

  private static TestImage linuxLike() {
    return TestImage.good()
        .withLoads(new TestImage.Load(0x1000000, 0x2345, 0x8000))
        .number(3, LINUX_BASE)
        .number(1, LINUX_BASE + 0x1000010)
        .number(15, 0x8000000000L)
        .number(16, 1, 4);
  }

  private static ImageFile ramdisk() {
    byte[] bytes = new byte[0x1801];
    Arrays.fill(bytes, (byte) 0x5A);
    return TestImage.file("ramdisk", bytes);
  }

  /**
   * The entry of a virtual address in the L1, by the tables from the pinned root; 0 if a table is
   * missing.
   */
  private long leaf(long va) {
    long table = control.start.pageTableMfn();
    for (int level = 4; level > 1; level--) {
      long entry = control.machineU64(table, (int) (va >>> (3 + 9 * level)) & 511);
      if (entry == 0) {
        return 0;
      }
      assertEquals(0x67, entry & FLAGS, "flags of the L%d entry of %x".formatted(level, va));
      table = entry >>> 12;
    }
    return control.machineU64(table, (int) (va >>> 12) & 511);
  }

  @Test
  void theImageIsAtItsAddressAndTheRestOfItIsZero() throws BadInputException {
    build(TestImage.good().read(), Optional.empty());
    byte[] loaded = control.bytes(0x100000, 0x5000);
    for (int i = 0; i < loaded.length; i++) {
      assertEquals(i < 0x3000 ? TestImage.pattern(0x100000 + i) : 0, loaded[i], "byte " + i);
    }
  }

  @Test
  void theInitialMappingShowsEveryFrameOnceAndTablesReadOnly() throws BadInputException {
    KernelImage image =
        TestImage.good().number(3, LINUX_BASE).number(1, LINUX_BASE + 0x100000).read();
    build(image, Optional.empty());
    GuestLayout layout = GuestLayout.plan(image, 0, PAGES);
    for (long pfn = 0; pfn < layout.mapped(); pfn++) {
      long entry = leaf(LINUX_BASE + (pfn << 12));
      boolean table = pfn >= layout.pageTables().first() && pfn < layout.pageTables().end();
      assertEquals(control.mfn(FakeControl.DOMID, pfn), entry >>> 12, "frame of pfn " + pfn);
      assertEquals(table ? 0x21 : 0x23, entry & FLAGS, "flags of pfn " + pfn);
    }
    assertEquals(0, leaf(LINUX_BASE + (layout.mapped() << 12)), "nothing is mapped beyond");
    assertEquals(0, leaf(LINUX_BASE - 4096), "nothing is mapped before");
  }

  @Test
  void startInfoSaysWhereEverythingIs() throws BadInputException {
    KernelImage image = TestImage.good().read();
    BuiltDomain built = build(image, Optional.of(ramdisk()));
    GuestLayout layout = GuestLayout.plan(image, 0x1801, PAGES);
    long info = control.start.startInfo() >>> 12;
    assertEquals(layout.startInfo(), info);
    assertEquals(
        "xen-3.0-x86_64\0", new String(control.bytes(info << 12, 15), StandardCharsets.US_ASCII));
    assertEquals(PAGES, control.u64(info, 32));
    assertEquals(FakeControl.SHARED_INFO_MFN << 12, control.u64(info, 40));
    assertEquals(0, control.u64(info, 48));
    assertEquals(control.mfn(FakeControl.DOMID, layout.xenstore()), control.u64(info, 56));
    assertEquals(1, control.u64(info, 64));
    assertEquals(control.mfn(FakeControl.DOMID, layout.console()), control.u64(info, 72));
    assertEquals(2, control.u64(info, 80));
    assertEquals(layout.pageTables().gpa(), control.u64(info, 88));
    assertEquals(layout.pageTables().count(), control.u64(info, 96));
    assertEquals(layout.p2m().gpa(), control.u64(info, 104));
    assertEquals(layout.ramdisk().gpa(), control.u64(info, 112));
    assertEquals(0x1801, control.u64(info, 120));
    assertEquals(
        "a=b c\0", new String(control.bytes((info << 12) + 128, 6), StandardCharsets.US_ASCII));
    assertEquals(0, control.u64(info, 1152));
    assertEquals(
        built,
        new BuiltDomain(FakeControl.DOMID, control.u64(info, 56), 1, control.u64(info, 72), 2));
  }

  @Test
  void aPrivilegedGuestIsTold() throws BadInputException {
    DomainSpec spec = new DomainSpec(new UUID(1, 2), PAGES, 1, "jvm", "Pool-0", 256, 0, true);
    new DomainBuilder(control, 0, 0).build(linuxLike().read(), Optional.of(ramdisk()), "", spec);
    long info = (control.start.startInfo() - LINUX_BASE) >>> 12;
    assertEquals(1 | 8, control.u64(info, 48), "privileged; the ramdisk by frame number");
  }

  @Test
  void anUnmappedRamdiskAndListAreHandedOverByFrameNumber() throws BadInputException {
    KernelImage image = linuxLike().read();
    build(image, Optional.of(ramdisk()));
    GuestLayout layout = GuestLayout.plan(image, 0x1801, PAGES);
    long info = (control.start.startInfo() - LINUX_BASE) >>> 12;
    assertEquals(8, control.u64(info, 48) & 0xFFFFFFFFL);
    assertEquals(0x8000000000L, control.u64(info, 104));
    assertEquals(layout.ramdisk().first(), control.u64(info, 112));
    assertEquals(layout.p2m().first(), control.u64(info, 1152));
    assertEquals(
        layout.p2m().count() + 3, control.u64(info, 1160), "the list, and an L3, L2 and L1 for it");
    assertArrayEquals(new byte[] {0x5A, 0, 0}, control.bytes(layout.ramdisk().gpa() + 0x1800, 3));
    for (long page = 0; page < layout.p2m().count(); page++) {
      long entry = leaf(0x8000000000L + (page << 12));
      assertEquals(control.mfn(FakeControl.DOMID, layout.p2m().first() + page), entry >>> 12);
      assertEquals(0x23, entry & FLAGS);
    }
    assertEquals(0, leaf(0x8000000000L + (layout.p2m().count() << 12)));
  }

  @Test
  void theP2mListNamesEveryFrame() throws BadInputException {
    for (KernelImage image : List.of(TestImage.good().read(), linuxLike().read())) {
      build(image, Optional.empty());
      long first = GuestLayout.plan(image, 0, PAGES).p2m().first();
      for (long pfn = 0; pfn < PAGES; pfn++) {
        assertEquals(
            control.mfn(FakeControl.DOMID, pfn),
            control.u64(first + pfn / 512, (int) (pfn % 512) * 8));
      }
    }
  }

  @Test
  void theHypercallPageIsFilledOverWhatTheImageHasThere() throws BadInputException {
    build(TestImage.good().number(2, 0x102000).read(), Optional.empty());
    byte[] page = control.bytes(0x102000, 4096);
    byte[] mmuUpdate = {
      0x51,
      0x41,
      0x53,
      (byte) 0xB8,
      1,
      0,
      0,
      0,
      0x0F,
      0x05,
      0x41,
      0x5B,
      0x59,
      (byte) 0xC3,
      (byte) 0xCC
    };
    assertArrayEquals(mmuUpdate, Arrays.copyOfRange(page, 32, 32 + mmuUpdate.length));
    byte[] iret = {0x51, 0x41, 0x53, 0x50, (byte) 0xB8, 23, 0, 0, 0, 0x0F, 0x05, (byte) 0xCC};
    assertArrayEquals(iret, Arrays.copyOfRange(page, 23 * 32, 23 * 32 + iret.length));
    assertEquals(127, page[127 * 32 + 4]);
    assertEquals(TestImage.pattern(0x101FFF), control.bytes(0x101FFF, 1)[0]);
  }

  @Test
  void ringsAreGrantedPortsAllocatedTheRootPinnedAndTheStartSet() throws BadInputException {
    KernelImage image = TestImage.good().read();
    build(image, Optional.empty());
    GuestLayout layout = GuestLayout.plan(image, 0, PAGES);
    assertEquals(
        List.of(
            new FakeControl.Grant(0, 0, layout.console()),
            new FakeControl.Grant(1, 0, layout.xenstore())),
        control.grants);
    long root = control.mfn(FakeControl.DOMID, layout.pageTables().first());
    assertEquals(List.of("L4 " + root), control.pinned);
    assertEquals(
        new VcpuStart(0x100000, (layout.stack() + 1) << 12, layout.startInfo() << 12, root),
        control.start);
    assertEquals(0, control.openWindows());
  }

  @Test
  void whateverIsRefusedLeavesNoDomainAndNoWindow() throws BadInputException {
    int refusals = 0;
    for (int n = 1; ; n++) {
      FakeControl failing = new FakeControl(PAGES).failingAtCall(n);
      DomainBuilder builder = new DomainBuilder(failing, 0, 0);
      KernelImage image = TestImage.good().number(2, 0x102000).read();
      try {
        builder.build(image, Optional.of(ramdisk()), "", spec(PAGES));
        break; // there was no n-th call
      } catch (HypercallException e) {
        refusals++;
        assertFalse(failing.exists, "after call " + n);
        assertEquals(0, failing.openWindows(), "after call " + n);
      }
    }
    assertTrue(refusals > 10, "calls that were refused: " + refusals);
  }

  @Test
  void aCommandLineThatDoesNotFitIsRefusedBeforeThereIsADomain() throws BadInputException {
    KernelImage image = TestImage.good().read();
    DomainBuilder builder = new DomainBuilder(control, 0, 0);
    builder.build(image, Optional.empty(), "x".repeat(1023), spec(PAGES));
    control.exists = false;
    BadInputException refused =
        assertThrows(
            BadInputException.class,
            () -> builder.build(image, Optional.empty(), "ä".repeat(512), spec(PAGES)));
    assertEquals(
        "--cmdline: has 1024 bytes, and start info has room for 1023: shorten it",
        refused.getMessage());
    assertFalse(control.exists);
  }
}

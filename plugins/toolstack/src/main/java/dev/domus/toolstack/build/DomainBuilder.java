package dev.domus.toolstack.build;

import dev.domus.kernel.abi.HypercallPage;
import dev.domus.kernel.control.Control;
import dev.domus.kernel.control.DomainInfo;
import dev.domus.kernel.control.DomainSpec;
import dev.domus.kernel.control.VcpuStart;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.ImageFile;
import dev.domus.toolstack.image.KernelImage;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Builds PV domains.
 *
 * <p>The order is the ABI's (xen-pv-abi.md, 2.5): memory, image, what the image asks for, the rings
 * and their grants and ports, start info, page tables; the L4 is pinned last of these, because from
 * then on the hypervisor watches every page table and a write to one would be refused. Then the
 * start state of vCPU 0 is set and the domain is complete, but paused.
 *
 * <p>Everything that can be refused for the user's sake is refused before the domain exists. All
 * its memory is claimed first, so a build that has begun does not run out because others take some.
 * If anything fails afterwards the domain is destroyed, so a failed build leaves nothing behind.
 */
public final class DomainBuilder {
  /** Grant references that toolstacks use for the rings (xen-pv-abi.md, 2.5). */
  private static final int CONSOLE_GRANT = 0, STORE_GRANT = 1;

  private static final int ENTRIES_A_PAGE = PageRange.PAGE_SIZE / Long.BYTES;

  private static final int ROOT_LEVEL = 4;

  private final Control control;
  private final int consoleDomid;
  private final int storeDomid;

  /**
   * Makes a builder.
   *
   * @param control the control interface of a privileged domain
   * @param consoleDomid the domain that serves the console
   * @param storeDomid the domain that serves xenstore
   */
  public DomainBuilder(Control control, int consoleDomid, int storeDomid) {
    this.control = control;
    this.consoleDomid = consoleDomid;
    this.storeDomid = storeDomid;
  }

  /**
   * Builds a domain.
   *
   * @param image its kernel
   * @param ramdisk its ramdisk; passed on as it is
   * @param commandLine its command line
   * @param spec what the domain is to be; all its memory is given at once
   * @throws BadInputException if image, ramdisk, command line and memory do not go together
   * @throws dev.domus.kernel.service.HypercallException if the hypervisor refuses
   */
  public BuiltDomain build(
      KernelImage image, Optional<ImageFile> ramdisk, String commandLine, DomainSpec spec)
      throws BadInputException {
    long ramdiskBytes = ramdisk.map(ImageFile::size).orElse(0L);
    StartInfo.requireFits(commandLine);
    GuestLayout layout = GuestLayout.plan(image, ramdiskBytes, spec.maxPages());
    int domid = control.createDomain(spec);
    try {
      control.claim(domid, layout.pages());
      control.populate(domid, 0, layout.pages());
      ForeignMemory memory = new ForeignMemory(control, domid);
      load(image, ramdisk, layout, memory);
      writeP2m(layout, memory);
      StartInfo.Rings rings = makeRings(domid, layout, memory);
      long sharedInfo = control.domain(domid).map(DomainInfo::sharedInfoMfn).orElseThrow();
      StartInfo startInfo =
          new StartInfo(layout, sharedInfo, rings, ramdiskBytes, commandLine, spec.privileged());
      memory.write(
          layout.startInfo() << PageRange.PAGE_SHIFT, MemorySegment.ofArray(startInfo.contents()));
      new InitialTables(layout, memory).write();

      long root = memory.mfn(layout.pageTables().first());
      control.pinTable(domid, ROOT_LEVEL, root);
      control.setStart(
          domid,
          new VcpuStart(image.entry(), layout.stackTop(), layout.va(layout.startInfo()), root));
      return new BuiltDomain(
          domid, rings.storeMfn(), rings.storePort(), rings.consoleMfn(), rings.consolePort());
    } catch (BadInputException | RuntimeException | Error e) {
      destroyAfter(e, domid);
      throw e;
    }
  }

  private void destroyAfter(Throwable failure, int domid) {
    try {
      control.destroyDomain(domid);
    } catch (RuntimeException e) {
      failure.addSuppressed(e);
    }
  }

  private static void load(
      KernelImage image, Optional<ImageFile> ramdisk, GuestLayout layout, ForeignMemory memory)
      throws BadInputException {
    for (KernelImage.Segment segment : image.segments()) {
      copy(image.file(), segment.fileOffset(), segment.fileSize(), segment.gpa(), memory);
    }
    if (image.hypercallPage().isPresent()) {
      long gpa = image.hypercallPage().getAsLong() - image.virtBase();
      memory.write(gpa, MemorySegment.ofArray(HypercallPage.contents()));
    }
    if (ramdisk.isPresent()) {
      copy(ramdisk.get(), 0, ramdisk.get().size(), layout.ramdisk().gpa(), memory);
    }
  }

  private static void copy(ImageFile file, long offset, long size, long gpa, ForeignMemory memory)
      throws BadInputException {
    try {
      memory.write(gpa, file.slice(offset, size));
    } catch (InternalError e) {
      // Not an error of the JVM's: that is how it reports a mapped file that has become shorter.
      throw file.changed();
    }
  }

  private static void writeP2m(GuestLayout layout, ForeignMemory memory) {
    for (long page = 0; page < layout.p2m().count(); page++) {
      long first = page * ENTRIES_A_PAGE;
      long[] entries = new long[(int) Math.min(ENTRIES_A_PAGE, layout.pages() - first)];
      for (int i = 0; i < entries.length; i++) {
        entries[i] = memory.mfn(first + i);
      }
      memory.write(layout.p2m().first() + page, entries);
    }
  }

  private StartInfo.Rings makeRings(int domid, GuestLayout layout, ForeignMemory memory) {
    control.seedGrant(domid, CONSOLE_GRANT, consoleDomid, layout.console());
    control.seedGrant(domid, STORE_GRANT, storeDomid, layout.xenstore());
    int storePort = control.allocUnbound(domid, storeDomid);
    int consolePort = control.allocUnbound(domid, consoleDomid);
    return new StartInfo.Rings(
        memory.mfn(layout.xenstore()), storePort, memory.mfn(layout.console()), consolePort);
  }
}

package dev.domus.toolstack.build;

import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.KernelImage;
import java.util.Optional;

/**
 * Where everything goes in a new domain's memory (xen-pv-abi.md, 2.4). Guests rely on the order,
 * some by peeling frames off one end, so it is not ours to improve:
 *
 * <pre>
 *   pfn 0      RAM below the image                     mapped from VIRT_BASE on
 *              image
 *              ramdisk          unless MOD_START_PFN
 *              P2M list         unless INIT_P2M
 *              start info
 *              xenstore ring
 *              console ring
 *              page tables      L4, L3s, L2s, L1s      (mapped read-only)
 *              boot stack
 *              at least 512 KiB, up to a multiple of 4 MiB
 *   ---------------------------------------------------- end of the initial mapping
 *              ramdisk          if MOD_START_PFN
 *              P2M list         if INIT_P2M: mapped there, with the tables that this takes
 *              its page tables
 *              more RAM
 *   nr_pages
 * </pre>
 *
 * The tables map themselves, so their number depends on the end of the mapping, which depends on
 * their number: iterated from below, it grows until it fits.
 *
 * @param pages frames of RAM
 * @param virtBase where frame 0 appears
 * @param ramdisk frames of the ramdisk
 * @param ramdiskMapped whether they are in the initial mapping
 * @param p2m frames of the P2M list
 * @param p2mVa virtual address of the P2M list
 * @param p2mFrames the P2M list and the tables that map it, if it is not in the initial mapping
 * @param startInfo frame of the start info page
 * @param xenstore frame of the xenstore ring
 * @param console frame of the console ring
 * @param pageTables frames of the initial mapping's tables
 * @param stack frame of the boot stack
 * @param mapped frames that the initial mapping shows, from frame 0 on
 * @param tables all page tables
 * @param end frame after the last that has a use
 */
public record GuestLayout(
    long pages,
    long virtBase,
    PageRange ramdisk,
    boolean ramdiskMapped,
    PageRange p2m,
    long p2mVa,
    Optional<PageRange> p2mFrames,
    long startInfo,
    long xenstore,
    long console,
    PageRange pageTables,
    long stack,
    long mapped,
    TablePlan tables,
    long end) {
  private static final long SLACK = 512 << 10;

  private static final long MAPPING_ALIGNMENT = 4 << 20;

  private static final int P2M_ENTRY_SIZE = 8;

  private static final long MIB_PAGES = 256;

  /**
   * Plans a domain.
   *
   * @param ramdiskBytes length of the ramdisk, 0 for none
   * @param pages frames of RAM
   * @throws BadInputException if they are too few, or the image wants things at addresses where
   *     they cannot be
   */
  public static GuestLayout plan(KernelImage image, long ramdiskBytes, long pages)
      throws BadInputException {
    GuestLayout layout = lay(image, ramdiskBytes, pages);
    if (layout.end > pages) {
      long needed = pages;
      for (GuestLayout larger = layout;
          larger.end > needed;
          larger = lay(image, ramdiskBytes, needed)) {
        needed = larger.end;
      }
      throw new BadInputException(
          "%s: does not fit into %s of memory: the image ends at 0x%x, and with %sP2M list, page tables and the room that the ABI asks for it takes %s; give --memory %dM or more"
              .formatted(
                  image.file().path(),
                  size(pages),
                  image.end(),
                  ramdiskBytes == 0 ? "" : "a ramdisk of " + ramdiskBytes + " bytes, ",
                  size(needed),
                  (needed + MIB_PAGES - 1) / MIB_PAGES));
    }
    layout.placeTables();
    return layout;
  }

  /** Done last, since an image that wants a terabyte would have half a million of them. */
  private void placeTables() {
    tables.place(new AddressRange(virtBase, mapped << PageRange.PAGE_SHIFT), pageTables.first());
    if (p2mFrames.isPresent()) {
      tables.place(new AddressRange(p2mVa, p2m.count() << PageRange.PAGE_SHIFT), p2m.end());
    }
  }

  private static String size(long pages) {
    return pages % MIB_PAGES == 0 ? pages / MIB_PAGES + " MiB" : pages * 4 + " KiB";
  }

  private static GuestLayout lay(KernelImage image, long ramdiskBytes, long pages)
      throws BadInputException {
    long ramdiskPages = PageRange.pagesFor(ramdiskBytes);
    long p2mPages = PageRange.pagesFor(pages * P2M_ENTRY_SIZE);
    boolean ramdiskMapped = !image.modStartPfn();
    boolean p2mMapped = image.initP2m().isEmpty();

    long next = image.end() >>> PageRange.PAGE_SHIFT;
    PageRange ramdisk = new PageRange(next, ramdiskMapped ? ramdiskPages : 0);
    PageRange p2m = new PageRange(ramdisk.end(), p2mMapped ? p2mPages : 0);
    long startInfo = p2m.end();
    long xenstore = startInfo + 1;
    long console = startInfo + 2;
    long firstTable = startInfo + 3;

    AddressRange mapping = AddressRange.EMPTY;
    long count = 0;
    for (long counted = -1; counted != count; ) {
      counted = count;
      mapping = mapping(image, firstTable + count + 1);
      count = TablePlan.count(mapping);
    }
    PageRange pageTables = new PageRange(firstTable, count);
    long mapped = mapping.bytes() >>> PageRange.PAGE_SHIFT;

    next = mapped;
    if (!ramdiskMapped) {
      ramdisk = new PageRange(next, ramdiskPages);
      next = ramdisk.end();
    }
    long p2mVa = image.va(p2m.gpa());
    Optional<PageRange> p2mFrames = Optional.empty();
    if (!p2mMapped) {
      p2m = new PageRange(next, p2mPages);
      AddressRange list = list(image, p2mPages, mapping);
      p2mVa = list.first();
      p2mFrames =
          Optional.of(new PageRange(p2m.first(), p2mPages + TablePlan.countBeside(list, mapping)));
      next = p2mFrames.get().end();
    }
    return new GuestLayout(
        pages,
        image.virtBase(),
        ramdisk,
        ramdiskMapped,
        p2m,
        p2mVa,
        p2mFrames,
        startInfo,
        xenstore,
        console,
        pageTables,
        pageTables.end(),
        mapped,
        new TablePlan(),
        next);
  }

  /** The initial mapping, if what it has to show ends at a frame. */
  private static AddressRange mapping(KernelImage image, long endPfn) throws BadInputException {
    long bytes = (endPfn << PageRange.PAGE_SHIFT) + SLACK;
    long padding = -(image.virtBase() + bytes) & (MAPPING_ALIGNMENT - 1);
    AddressRange mapping = new AddressRange(image.virtBase(), bytes + padding);
    if (!mapping.isGuests()) {
      throw new BadInputException(
          "%s: note VIRT_BASE is 0x%x, and the initial mapping of 0x%x bytes from there is not the guest's to use: it has to lie in 0x0-0x7fffffffffff or above 0xffff880000000000"
              .formatted(image.file().path(), image.virtBase(), mapping.bytes()));
    }
    return mapping;
  }

  private static AddressRange list(KernelImage image, long pages, AddressRange mapping)
      throws BadInputException {
    AddressRange list =
        new AddressRange(image.initP2m().orElseThrow(), pages << PageRange.PAGE_SHIFT);
    if (!list.isGuests() || list.overlaps(mapping)) {
      throw new BadInputException(
          "%s: note INIT_P2M is 0x%x, and a P2M list of 0x%x bytes cannot be there: it has to lie in 0x0-0x7fffffffffff or above 0xffff880000000000, apart from the initial mapping 0x%x-0x%x"
              .formatted(
                  image.file().path(),
                  list.first(),
                  list.bytes(),
                  mapping.first(),
                  mapping.last()));
    }
    return list;
  }

  /** The virtual address of a frame in the initial mapping. */
  public long va(long pfn) {
    return virtBase + (pfn << PageRange.PAGE_SHIFT);
  }

  /** Where the boot stack starts to grow down from. */
  public long stackTop() {
    return va(stack + 1);
  }
}

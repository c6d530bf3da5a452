package dev.domus.toolstack.image;

import dev.domus.toolstack.BadInputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * A PV kernel image that has been found good: where its segments go and what it asks of the domain
 * builder. Everything that can be said against an image without knowing the domain's memory is said
 * by {@link #read}.
 *
 * <p>Guest-physical addresses (<i>gpa</i>) count from the guest's frame 0, which appears at {@code
 * virtBase} in the initial mapping. Segments are placed by p_paddr, never by p_vaddr (Linux has one
 * with p_vaddr 0):
 *
 * <pre>
 *   gpa = p_paddr − PADDR_OFFSET        va = gpa + VIRT_BASE
 * </pre>
 *
 * @param file the file; closed with the image
 * @param guestOs what it calls itself, for people
 * @param virtBase virtual address of guest frame 0, a multiple of 4096
 * @param entry virtual address where vCPU 0 starts, inside a segment
 * @param hypercallPage virtual address of the page to fill with hypercall stubs, inside a segment
 * @param initP2m virtual address where the P2M list is wanted, a multiple of 4096; if absent, it is
 *     in the initial mapping
 * @param modStartPfn whether the image takes its ramdisk unmapped
 * @param segments what to load, by rising address, without overlap
 * @param warnings what the image asks for and does not get, for people
 */
public record KernelImage(
    ImageFile file,
    String guestOs,
    long virtBase,
    long entry,
    OptionalLong hypercallPage,
    OptionalLong initP2m,
    boolean modStartPfn,
    List<Segment> segments,
    List<String> warnings)
    implements AutoCloseable {
  /** Memory that no domain exceeds, so that sums of addresses below it do not overflow: 1 TiB. */
  private static final long MAX_GPA = 1L << 40;

  private static final long PAGE_SIZE = 4096;

  private static final String REQUIRED_VERSION = "xen-3.0";

  private static final String REQUIRED_LOADER = "generic";

  /**
   * The features that an image may require, by their names in the FEATURES note. Not among them are
   * those that a 64-bit PV guest never has (translated memory, a kernel in ring 0) and names that
   * nobody knows.
   */
  private static final Set<String> FEATURES =
      Set.of(
          "writable_page_tables",
          "writable_descriptor_tables",
          "pae_pgdir_above_4gb",
          "mmu_pt_update_preserve_ad",
          "highmem_assist",
          "gnttab_map_avail_bits",
          "memory_op_vnode_supported",
          "linux_rsdp_unrestricted");

  /**
   * A segment.
   *
   * @param index of its program header, for messages
   * @param gpa guest-physical address
   * @param fileOffset where its contents are
   * @param fileSize length of its contents
   * @param memorySize how much memory it takes; what its contents do not fill is zero
   */
  public record Segment(int index, long gpa, long fileOffset, long fileSize, long memorySize) {
    /** The guest-physical address after it. */
    public long end() {
      return gpa + memorySize;
    }
  }

  /**
   * Reads and checks an image.
   *
   * @throws BadInputException naming the file, the field, its value and what would be right
   */
  public static KernelImage read(Path path) throws BadInputException {
    ImageFile file = ImageFile.open(path);
    try {
      return read(file);
    } catch (InternalError e) {
      // Not an error of the JVM's: that is how it reports a mapped file that has become shorter.
      file.close();
      throw file.changed();
    } catch (BadInputException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  static KernelImage read(ImageFile file) throws BadInputException {
    ElfFile elf = ElfFile.read(file);
    XenNotes notes = XenNotes.of(elf);
    requireLoadable(file, notes);
    List<Segment> segments = segments(elf, paddrOffset(notes));
    KernelImage image =
        new KernelImage(
            file,
            notes.text(NoteType.GUEST_OS),
            pageAligned(file, "VIRT_BASE", notes.number(NoteType.VIRT_BASE).orElse(0)),
            notes.number(NoteType.ENTRY).orElse(elf.entry()),
            notes.number(NoteType.HYPERCALL_PAGE),
            notes.number(NoteType.INIT_P2M),
            notes.number(NoteType.MOD_START_PFN).orElse(0) != 0,
            segments,
            warnings(notes));
    image.requireEntryInside();
    image.requireHypercallPageInside();
    if (image.initP2m.isPresent()) {
      pageAligned(file, "INIT_P2M", image.initP2m.getAsLong());
    }
    return image;
  }

  private static void requireLoadable(ImageFile file, XenNotes notes) throws BadInputException {
    String version = notes.text(NoteType.XEN_VERSION);
    if (!version.startsWith(REQUIRED_VERSION)) {
      throw file.bad(
          "note XEN_VERSION is "
              + BadInputException.quote(version)
              + ", and has to be \""
              + REQUIRED_VERSION
              + '"');
    }
    String loader = notes.text(NoteType.LOADER);
    boolean linux = notes.text(NoteType.GUEST_OS).startsWith("linux"); // need not say it, as on Xen
    if (!loader.startsWith(REQUIRED_LOADER) && !linux) {
      throw file.bad(
          "note LOADER is "
              + BadInputException.quote(loader)
              + ", and has to be \""
              + REQUIRED_LOADER
              + "\": the image wants a loader of its own");
    }
    for (String feature : notes.text(NoteType.FEATURES).split("\\|")) {
      if (feature.startsWith("!") && !FEATURES.contains(feature.substring(1))) {
        throw file.bad(
            "note FEATURES requires "
                + BadInputException.quote(feature.substring(1))
                + ", which a 64-bit PV guest is not given");
      }
    }
  }

  private static List<String> warnings(XenNotes notes) {
    return notes.text(NoteType.BSD_SYMTAB).startsWith("yes")
        ? List.of("note BSD_SYMTAB asks for the symbol table after the image; it is not loaded")
        : List.of();
  }

  private static long paddrOffset(XenNotes notes) {
    long fallback = notes.legacy() ? notes.number(NoteType.VIRT_BASE).orElse(0) : 0;
    return notes.number(NoteType.PADDR_OFFSET).orElse(fallback);
  }

  private static long pageAligned(ImageFile file, String note, long va) throws BadInputException {
    if (va % PAGE_SIZE != 0) {
      throw file.bad(
          "note "
              + note
              + " is 0x"
              + Long.toHexString(va)
              + ", and has to be a multiple of 0x1000");
    }
    return va;
  }

  private static List<Segment> segments(ElfFile elf, long paddrOffset) throws BadInputException {
    List<Segment> segments = new ArrayList<>();
    for (ElfFile.ProgramHeader header : elf.programHeaders()) {
      if (header.type() == ElfLayout.PT_LOAD && header.memorySize() != 0) {
        segments.add(segment(elf.file(), header, paddrOffset));
      }
    }
    if (segments.isEmpty()) {
      throw elf.file().bad("has no PT_LOAD segment, so there is nothing to load");
    }
    segments.sort(Comparator.comparingLong(Segment::gpa));
    for (int i = 1; i < segments.size(); i++) {
      requireApart(elf.file(), segments.get(i - 1), segments.get(i));
    }
    return List.copyOf(segments);
  }

  private static Segment segment(ImageFile file, ElfFile.ProgramHeader header, long paddrOffset)
      throws BadInputException {
    long gpa = header.paddr() - paddrOffset;
    if (Long.compareUnsigned(header.paddr(), paddrOffset) < 0) {
      throw file.bad(
          "program header %d: p_paddr 0x%x is below PADDR_OFFSET 0x%x, so it would lie before guest frame 0"
              .formatted(header.index(), header.paddr(), paddrOffset));
    }
    if (Long.compareUnsigned(gpa, MAX_GPA) >= 0
        || Long.compareUnsigned(header.memorySize(), MAX_GPA - gpa) > 0) {
      throw file.bad(
          "program header %d: p_paddr 0x%x with PADDR_OFFSET 0x%x and p_memsz 0x%x would end beyond 1 TiB of guest memory"
              .formatted(header.index(), header.paddr(), paddrOffset, header.memorySize()));
    }
    return new Segment(
        header.index(), gpa, header.offset(), header.fileSize(), header.memorySize());
  }

  private static void requireApart(ImageFile file, Segment lower, Segment upper)
      throws BadInputException {
    if (lower.end() > upper.gpa) {
      throw file.bad(
          "program headers %d and %d overlap: they take guest memory 0x%x-0x%x and 0x%x-0x%x (p_paddr, p_memsz)"
              .formatted(lower.index, upper.index, lower.gpa, lower.end(), upper.gpa, upper.end()));
    }
  }

  private void requireEntryInside() throws BadInputException {
    long gpa = entry - virtBase;
    for (Segment segment : segments) {
      if (gpa >= segment.gpa && gpa < segment.end()) {
        return;
      }
    }
    throw file.bad(
        "entry point 0x%x is in no segment; the image takes 0x%x-0x%x (VIRT_BASE 0x%x)"
            .formatted(entry, va(start()), va(end()), virtBase));
  }

  private void requireHypercallPageInside() throws BadInputException {
    if (hypercallPage.isEmpty()) {
      return;
    }
    long va = pageAligned(file, "HYPERCALL_PAGE", hypercallPage.getAsLong());
    long gpa = va - virtBase;
    if (gpa < start() || gpa >= end()) {
      throw file.bad(
          "note HYPERCALL_PAGE is 0x%x, outside the image, which takes 0x%x-0x%x (VIRT_BASE 0x%x)"
              .formatted(va, va(start()), va(end()), virtBase));
    }
  }

  /** The first guest-physical address of the image, rounded down to a page. */
  public long start() {
    return segments.getFirst().gpa & -PAGE_SIZE;
  }

  /** The guest-physical address after the image, rounded up to a page. */
  public long end() {
    return (segments.getLast().end() + PAGE_SIZE - 1) & -PAGE_SIZE;
  }

  /** Where a guest-physical address appears in the initial mapping. */
  public long va(long gpa) {
    return gpa + virtBase;
  }

  @Override
  public void close() {
    file.close();
  }
}

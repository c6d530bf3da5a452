package dev.domus.toolstack.image;

import static dev.domus.toolstack.image.ElfLayout.*;

import dev.domus.toolstack.BadInputException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/**
 * An ELF64 file for x86-64: the header checked, the program headers and, on request, the section
 * headers as records.
 *
 * @param file where it stands
 * @param entry e_entry, an address in the guest's virtual memory
 * @param programHeaders in the file's order
 */
record ElfFile(ImageFile file, long entry, List<ProgramHeader> programHeaders) {
  /**
   * Number of program headers that means: look elsewhere (PN_XNUM). No kernel image has so many.
   */
  private static final int PN_XNUM = 0xFFFF;

  /**
   * A program header; offset and file size have been checked to lie in the file, and file size not
   * to exceed the size in memory.
   *
   * @param index its number in the table, for messages
   */
  record ProgramHeader(
      int index, int type, long offset, long paddr, long fileSize, long memorySize) {}

  /** A section that has contents; offset and size have been checked to lie in the file. */
  record Section(int index, String name, int type, long offset, long size) {}

  /** Reads the file header and the program headers. */
  static ElfFile read(ImageFile file) throws BadInputException {
    requireElf(file);
    require(file, "EI_CLASS", file.u8(EI_CLASS), ELFCLASS64, "ELFCLASS64: a 64-bit image");
    require(file, "EI_DATA", file.u8(EI_DATA), ELFDATA2LSB, "ELFDATA2LSB: little-endian");
    require(file, "e_machine", file.u16(E_MACHINE), EM_X86_64, "EM_X86_64");
    require(file, "e_type", file.u16(E_TYPE), ET_EXEC, "ET_EXEC: linked for a fixed address");
    return new ElfFile(file, file.u64(E_ENTRY), readProgramHeaders(file));
  }

  private static void requireElf(ImageFile file) throws BadInputException {
    if (file.size() >= 4 && file.i32(0) == MAGIC) {
      if (file.size() < EHDR_SIZE) {
        throw file.bad(
            "is truncated: it has "
                + file.size()
                + " bytes, and an ELF64 header takes "
                + EHDR_SIZE);
      }
      return;
    }
    Optional<String> other = OtherFormats.recognise(file);
    if (other.isPresent()) {
      throw file.bad(other.get());
    }
    byte[] start = file.slice(0, Math.min(4, file.size())).toArray(ValueLayout.JAVA_BYTE);
    throw file.bad(
        "is not an ELF file: it starts with "
            + HexFormat.ofDelimiter(" ").formatHex(start)
            + ", and ELF starts with 7f 45 4c 46");
  }

  private static void require(ImageFile file, String field, int value, int wanted, String meaning)
      throws BadInputException {
    if (value != wanted) {
      throw file.bad(field + " is " + value + ", and has to be " + wanted + " (" + meaning + ")");
    }
  }

  private static List<ProgramHeader> readProgramHeaders(ImageFile file) throws BadInputException {
    int count = file.u16(E_PHNUM);
    if (count == 0 || count == PN_XNUM) {
      throw file.bad(
          "e_phnum is "
              + count
              + ": a kernel image has at least one program header, and fewer than 65535");
    }
    require(
        file,
        "e_phentsize",
        file.u16(E_PHENTSIZE),
        PHDR_SIZE,
        "the size of an ELF64 program header");
    long table = file.u64(E_PHOFF);
    if (!file.holds(table, (long) count * PHDR_SIZE)) {
      throw beyond(file, "e_phoff", table, "program headers", (long) count * PHDR_SIZE);
    }
    List<ProgramHeader> headers = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      headers.add(readProgramHeader(file, i, table + (long) i * PHDR_SIZE));
    }
    return List.copyOf(headers);
  }

  private static ProgramHeader readProgramHeader(ImageFile file, int index, long at)
      throws BadInputException {
    ProgramHeader header =
        new ProgramHeader(
            index,
            file.i32(at + P_TYPE),
            file.u64(at + P_OFFSET),
            file.u64(at + P_PADDR),
            file.u64(at + P_FILESZ),
            file.u64(at + P_MEMSZ));
    if (header.type != PT_LOAD && header.type != PT_NOTE) {
      return header; // not looked at, so not judged
    }
    if (!file.holds(header.offset, header.fileSize)) {
      throw beyond(
          file,
          "program header " + index + ": p_offset",
          header.offset,
          "contents",
          header.fileSize);
    }
    if (header.type == PT_LOAD && Long.compareUnsigned(header.fileSize, header.memorySize) > 0) {
      throw file.bad(
          "program header "
              + index
              + ": p_filesz 0x"
              + Long.toHexString(header.fileSize)
              + " is more than p_memsz 0x"
              + Long.toHexString(header.memorySize)
              + "; a segment takes at least as much memory as it has contents");
    }
    return header;
  }

  private static BadInputException beyond(
      ImageFile file, String field, long offset, String what, long length) {
    return file.bad(
        field
            + " is 0x"
            + Long.toHexString(offset)
            + ", and 0x"
            + Long.toHexString(length)
            + " bytes of "
            + what
            + " from there run past the file's end at 0x"
            + Long.toHexString(file.size())
            + ": is it truncated?");
  }

  /**
   * Reads the section headers. They are needed only where notes are not in a segment, so they are
   * judged only then.
   */
  List<Section> sections() throws BadInputException {
    int count = file.u16(E_SHNUM);
    long table = file.u64(E_SHOFF);
    if (count == 0 || table == 0) {
      return List.of();
    }
    require(
        file,
        "e_shentsize",
        file.u16(E_SHENTSIZE),
        SHDR_SIZE,
        "the size of an ELF64 section header");
    if (!file.holds(table, (long) count * SHDR_SIZE)) {
      throw beyond(file, "e_shoff", table, "section headers", (long) count * SHDR_SIZE);
    }
    List<Section> sections = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      long at = table + (long) i * SHDR_SIZE;
      int type = file.i32(at + SH_TYPE);
      long offset = file.u64(at + SH_OFFSET);
      long size = file.u64(at + SH_SIZE);
      if (type == 0 || type == SHT_NOBITS) {
        continue; // no contents
      }
      if (!file.holds(offset, size)) {
        throw beyond(file, "section " + i + ": sh_offset", offset, "contents", size);
      }
      sections.add(
          new Section(i, sectionName(table, count, file.u32(at + SH_NAME)), type, offset, size));
    }
    return sections;
  }

  /**
   * The name of a section, or nothing if the string table does not have it: names matter for one
   * section only.
   */
  private String sectionName(long table, int count, long nameOffset) {
    int strings = file.u16(E_SHSTRNDX);
    if (strings >= count) {
      return "";
    }
    long at = table + (long) strings * SHDR_SIZE;
    long offset = file.u64(at + SH_OFFSET);
    long size = file.u64(at + SH_SIZE);
    if (!file.holds(offset, size) || nameOffset >= size) {
      return "";
    }
    return Text.upToNul(file.slice(offset + nameOffset, Math.min(size - nameOffset, 64)));
  }
}

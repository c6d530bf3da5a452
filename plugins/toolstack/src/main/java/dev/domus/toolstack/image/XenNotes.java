package dev.domus.toolstack.image;

import static dev.domus.toolstack.image.ElfLayout.*;

import dev.domus.toolstack.BadInputException;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;

/**
 * What an image says to a Xen domain builder, wherever it says so: in PT_NOTE segments; if none of
 * these has a Xen note, in SHT_NOTE sections; failing that, in the {@code __xen_guest} section of
 * old images (xen-pv-abi.md, 2.1).
 */
final class XenNotes {
  /** The name of Xen's notes with its NUL, as a little-endian number. */
  private static final int XEN = 0x006E6558;

  private static final int XEN_NAME_SIZE = 4;

  private final ImageFile file;
  private final Map<NoteType, Long> numbers = new EnumMap<>(NoteType.class);
  private final Map<NoteType, String> texts = new EnumMap<>(NoteType.class);
  private boolean found;
  private boolean legacy;

  private XenNotes(ImageFile file) {
    this.file = file;
  }

  /**
   * Reads the notes of an image.
   *
   * @throws BadInputException if it has none, or one is malformed
   */
  static XenNotes of(ElfFile elf) throws BadInputException {
    XenNotes notes = new XenNotes(elf.file());
    for (ElfFile.ProgramHeader header : elf.programHeaders()) {
      if (header.type() == PT_NOTE) {
        notes.scan("program header " + header.index(), header.offset(), header.fileSize());
      }
    }
    if (!notes.found) {
      notes.readSections(elf);
    }
    if (!notes.found) {
      throw elf.file()
          .bad(
              "has no Xen notes (PT_NOTE segment, SHT_NOTE section or __xen_guest section), so it is"
                  + " not a Xen PV kernel; Linux needs CONFIG_XEN_PV");
    }
    return notes;
  }

  private void readSections(ElfFile elf) throws BadInputException {
    for (ElfFile.Section section : elf.sections()) {
      if (section.type() == SHT_NOTE) {
        scan("section " + section.index(), section.offset(), section.size());
      }
    }
    if (found) {
      return;
    }
    for (ElfFile.Section section : elf.sections()) {
      if (section.name().equals(LegacyGuestSection.NAME)) {
        found = true;
        legacy = true;
        LegacyGuestSection.parse(file, section, numbers, texts);
      }
    }
  }

  /**
   * Reads one run of notes. The caller has checked that it lies in the file, so offsets in it do
   * not overflow.
   */
  private void scan(String where, long start, long size) throws BadInputException {
    long end = start + size;
    long at = start;
    while (end - at >= NHDR_SIZE) {
      long nameSize = file.u32(at + N_NAMESZ);
      long descSize = file.u32(at + N_DESCSZ);
      long desc = at + NHDR_SIZE + align(nameSize);
      if (desc > end || descSize > end - desc) {
        throw file.bad(
            "%s: the note at 0x%x (namesz %d, descsz %d) runs past the notes' end at 0x%x"
                .formatted(where, at, nameSize, descSize, end));
      }
      if (nameSize == XEN_NAME_SIZE && file.i32(at + NHDR_SIZE) == XEN) {
        found = true;
        take(NoteType.of(file.u32(at + N_TYPE)), desc, descSize);
      }
      at = desc + align(descSize);
    }
  }

  private static long align(long size) {
    return (size + 3) & ~3L;
  }

  private void take(NoteType type, long desc, long size) throws BadInputException {
    switch (type.kind()) {
      case NUMBER -> numbers.put(type, number(type, desc, size));
      case TEXT -> texts.put(type, Text.upToNul(file.slice(desc, size)));
      case IGNORED -> {}
    }
  }

  private long number(NoteType type, long at, long size) throws BadInputException {
    if (size == 1) {
      return file.u8(at);
    } else if (size == 2) {
      return file.u16(at);
    } else if (size == 4) {
      return file.u32(at);
    } else if (size == 8) {
      return file.u64(at);
    }
    throw file.bad(
        "note " + type + ": descsz is " + size + ", and a number takes 1, 2, 4 or 8 bytes");
  }

  /** Whether they stand in a {@code __xen_guest} section, where some defaults differ. */
  boolean legacy() {
    return legacy;
  }

  OptionalLong number(NoteType type) {
    Long number = numbers.get(type);
    return number == null ? OptionalLong.empty() : OptionalLong.of(number);
  }

  /** The text of a note, empty if there is none. */
  String text(NoteType type) {
    return texts.getOrDefault(type, "");
  }
}

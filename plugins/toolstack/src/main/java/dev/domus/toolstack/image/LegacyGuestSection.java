package dev.domus.toolstack.image;

import dev.domus.toolstack.BadInputException;
import java.util.Map;

/**
 * The {@code __xen_guest} section of images from before ELF notes: one text, {@code KEY=value}
 * separated by commas.
 *
 * <pre>
 * GUEST_OS=netbsd,XEN_VER=xen-3.0,VIRT_BASE=0x…,VIRT_ENTRY=0x…,HYPERCALL_PAGE=0x101,LOADER=generic,PAE=yes
 * </pre>
 *
 * HYPERCALL_PAGE is a page number counted from VIRT_BASE there, not an address.
 */
final class LegacyGuestSection {
  static final String NAME = "__xen_guest";

  /** More than any real section has. */
  private static final int LIMIT = 4096;

  private static final int PAGE_SHIFT = 12;

  private LegacyGuestSection() {}

  static void parse(
      ImageFile file,
      ElfFile.Section section,
      Map<NoteType, Long> numbers,
      Map<NoteType, String> texts)
      throws BadInputException {
    String text = Text.upToNul(file.slice(section.offset(), Math.min(section.size(), LIMIT)));
    for (String item : text.split(",")) {
      int equals = item.indexOf('=');
      String key = equals < 0 ? item : item.substring(0, equals);
      String value = equals < 0 ? "" : item.substring(equals + 1);
      switch (key) {
        case "LOADER" -> texts.put(NoteType.LOADER, value);
        case "GUEST_OS" -> texts.put(NoteType.GUEST_OS, value);
        case "GUEST_VER" -> texts.put(NoteType.GUEST_VERSION, value);
        case "XEN_VER" -> texts.put(NoteType.XEN_VERSION, value);
        case "FEATURES" -> texts.put(NoteType.FEATURES, value);
        case "BSD_SYMTAB" -> texts.put(NoteType.BSD_SYMTAB, value.isEmpty() ? "yes" : value);
        case "VIRT_BASE" -> numbers.put(NoteType.VIRT_BASE, number(file, key, value));
        case "VIRT_ENTRY" -> numbers.put(NoteType.ENTRY, number(file, key, value));
        case "ELF_PADDR_OFFSET" -> numbers.put(NoteType.PADDR_OFFSET, number(file, key, value));
        case "HYPERCALL_PAGE" ->
            numbers.put(NoteType.HYPERCALL_PAGE, number(file, key, value) << PAGE_SHIFT);
        default -> {} // PAE and whatever else concerns 32-bit guests or nobody
      }
    }
    numbers.computeIfPresent(
        NoteType.HYPERCALL_PAGE,
        (type, offset) -> offset + numbers.getOrDefault(NoteType.VIRT_BASE, 0L));
  }

  private static long number(ImageFile file, String key, String value) throws BadInputException {
    try {
      return value.startsWith("0x") || value.startsWith("0X")
          ? Long.parseUnsignedLong(value, 2, value.length(), 16)
          : Long.parseUnsignedLong(value);
    } catch (NumberFormatException e) {
      throw file.bad(
          "section "
              + NAME
              + ": "
              + key
              + " is "
              + BadInputException.quote(value)
              + ", and has to be a number");
    }
  }
}

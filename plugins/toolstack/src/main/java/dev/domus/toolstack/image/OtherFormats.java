package dev.domus.toolstack.image;

import java.util.Optional;

/** Names what people give by mistake instead of an ELF image, with the remedy. */
final class OtherFormats {
  /** Linux's x86 boot protocol: a signature, a magic text and a version in the setup header. */
  private static final int BOOT_FLAG = 0x1FE, HEADER = 0x202, VERSION = 0x206;

  private static final int HDRS = 0x53726448;

  private OtherFormats() {}

  /** What the file is, and what to do about it, if it is something known. */
  static Optional<String> recognise(ImageFile file) {
    if (file.size() >= VERSION + 2 && file.u16(BOOT_FLAG) == 0xAA55 && file.i32(HEADER) == HDRS) {
      int version = file.u16(VERSION);
      return Optional.of(
          "is a bzImage (boot protocol %d.%02d), and these are not unpacked yet: give the ELF image inside it, which Linux's scripts/extract-vmlinux writes"
              .formatted(version >> 8, version & 0xFF));
    }
    return compression(file)
        .map(name -> "is compressed with " + name + ": unpack it first, an ELF image is needed");
  }

  private static Optional<String> compression(ImageFile file) {
    if (file.size() < 6) {
      return Optional.empty();
    }
    int start = file.i32(0);
    if ((start & 0xFFFF) == 0x8B1F) {
      return Optional.of("gzip");
    }
    if ((start & 0xFFFFFF) == 0x685A42) {
      return Optional.of("bzip2");
    }
    return switch (start) {
      case 0x587A37FD -> Optional.of("xz");
      case 0xFD2FB528 -> Optional.of("zstd");
      case 0x184D2204, 0x184C2102 -> Optional.of("lz4");
      default -> Optional.empty();
    };
  }
}

package dev.domus.toolstack.image;

import dev.domus.toolstack.BadInputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes ELF images for tests, with offsets written out here once more on purpose: a wrong constant
 * in {@code ElfLayout} must not be able to hide.
 */
public final class TestImage {
  /** How the notes are given. */
  public enum NotesIn {
    SEGMENT,
    SECTION,
    LEGACY_SECTION,
    NOWHERE
  }

  /** A load segment; its contents are a pattern that depends on the address. */
  public record Load(long paddr, int fileSize, long memorySize) {}

  private final List<Load> loads = new ArrayList<>();
  private final Map<Integer, byte[]> notes = new LinkedHashMap<>();
  private NotesIn notesIn = NotesIn.SEGMENT;
  private String legacy = "";
  private long entry;

  /** An image that is good: one segment at 1 MiB, and the two notes that have to be there. */
  public static TestImage good() {
    TestImage image = new TestImage();
    image.loads.add(new Load(0x100000, 0x3000, 0x5000));
    image.entry = 0x100000;
    return image.text(5, "xen-3.0").text(8, "generic").text(6, "test");
  }

  public TestImage withLoads(Load... replaced) {
    loads.clear();
    loads.addAll(List.of(replaced));
    return this;
  }

  public TestImage entry(long va) {
    entry = va;
    return this;
  }

  public TestImage notesIn(NotesIn place) {
    notesIn = place;
    return this;
  }

  public TestImage legacy(String text) {
    legacy = text;
    return notesIn(NotesIn.LEGACY_SECTION);
  }

  public TestImage text(int type, String text) {
    notes.put(type, (text + '\0').getBytes(StandardCharsets.US_ASCII));
    return this;
  }

  public TestImage number(int type, long value) {
    return number(type, value, 8);
  }

  public TestImage number(int type, long value, int bytes) {
    byte[] all = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array();
    notes.put(type, java.util.Arrays.copyOf(all, bytes));
    return this;
  }

  public TestImage without(int type) {
    notes.remove(type);
    return this;
  }

  /** The byte that a test image has at a guest-physical address. */
  public static byte pattern(long paddr) {
    return (byte) (paddr * 31 + (paddr >>> 8) + 1);
  }

  /** Reads the image as a kernel image. */
  public KernelImage read() throws BadInputException {
    return read(bytes());
  }

  /** Reads bytes as a kernel image. */
  public static KernelImage read(byte[] bytes) throws BadInputException {
    return KernelImage.read(ImageFile.of(Path.of("test.elf"), bytes));
  }

  /** A file with contents that are in memory. */
  public static ImageFile file(String name, byte[] bytes) {
    return ImageFile.of(Path.of(name), bytes);
  }

  /** The image: file header, program headers, notes, contents, section names, section headers. */
  public byte[] bytes() {
    byte[] noteBytes =
        switch (notesIn) {
          case SEGMENT, SECTION -> noteBytes();
          case LEGACY_SECTION -> (legacy + '\0').getBytes(StandardCharsets.US_ASCII);
          case NOWHERE -> new byte[0];
        };
    boolean sections = notesIn == NotesIn.SECTION || notesIn == NotesIn.LEGACY_SECTION;
    int headers = loads.size() + (notesIn == NotesIn.SEGMENT ? 1 : 0);
    int noteOffset = 64 + 56 * headers;
    int contents = noteOffset + noteBytes.length;
    int namesOffset = contents + loads.stream().mapToInt(Load::fileSize).sum();
    byte[] names = "\0.notes\0__xen_guest\0".getBytes(StandardCharsets.US_ASCII);
    int sectionsOffset = namesOffset + names.length;
    ByteBuffer file =
        ByteBuffer.allocate(sectionsOffset + (sections ? 3 * 64 : 0))
            .order(ByteOrder.LITTLE_ENDIAN);
    file.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    file.putShort((short) 2).putShort((short) 62).putInt(1).putLong(entry).putLong(64);
    file.putLong(sections ? sectionsOffset : 0).putInt(0).putShort((short) 64).putShort((short) 56);
    file.putShort((short) headers)
        .putShort((short) 64)
        .putShort((short) (sections ? 3 : 0))
        .putShort((short) 2);
    int at = contents;
    for (Load load : loads) {
      header(file, 1, at, load.paddr, load.fileSize, load.memorySize);
      at += load.fileSize;
    }
    if (notesIn == NotesIn.SEGMENT) {
      header(file, 4, noteOffset, 0, noteBytes.length, noteBytes.length);
    }
    file.put(noteBytes);
    for (Load load : loads) {
      for (int i = 0; i < load.fileSize; i++) {
        file.put(pattern(load.paddr + i));
      }
    }
    file.put(names);
    if (sections) {
      file.position(sectionsOffset + 64);
      section(
          file,
          notesIn == NotesIn.SECTION ? 1 : 8,
          notesIn == NotesIn.SECTION ? 7 : 1,
          noteOffset,
          noteBytes.length);
      section(file, 0, 3, namesOffset, names.length);
    }
    return file.array();
  }

  private static void header(
      ByteBuffer file, int type, long offset, long paddr, long fileSize, long memorySize) {
    // p_vaddr is nonsense on purpose: nobody may use it.
    file.putInt(type)
        .putInt(7)
        .putLong(offset)
        .putLong(0xDEAD000L)
        .putLong(paddr)
        .putLong(fileSize)
        .putLong(memorySize)
        .putLong(4096);
  }

  private static void section(ByteBuffer file, int name, int type, long offset, long size) {
    file.putInt(name)
        .putInt(type)
        .putLong(0)
        .putLong(0)
        .putLong(offset)
        .putLong(size)
        .putLong(0)
        .putLong(1)
        .putLong(0);
  }

  private byte[] noteBytes() {
    ByteBuffer bytes = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    // Somebody else's note first, with a name and a descriptor that need padding.
    bytes
        .putInt(5)
        .putInt(3)
        .putInt(1)
        .put("Else\0".getBytes(StandardCharsets.US_ASCII))
        .put(new byte[3])
        .put(new byte[] {1, 2, 3, 0});
    notes.forEach((type, desc) -> {
      bytes
          .putInt(4)
          .putInt(desc.length)
          .putInt(type)
          .put("Xen\0".getBytes(StandardCharsets.US_ASCII))
          .put(desc);
      bytes.position((bytes.position() + 3) & ~3);
    });
    return java.util.Arrays.copyOf(bytes.array(), bytes.position());
  }
}

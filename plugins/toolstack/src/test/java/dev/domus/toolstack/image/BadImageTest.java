package dev.domus.toolstack.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.domus.toolstack.BadInputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each way in which an image can be wrong has its one line, which names the file, the field and the
 * value.
 */
class BadImageTest {
  private static final int FIRST_PHDR = 64;

  static Stream<Arguments> badImages() {
    return Stream.of(
        arguments(
            "not ELF",
            "#!/bin/sh\nexit\n".getBytes(),
            "is not an ELF file: it starts with 23 21 2f 62"),
        arguments("gzip", new byte[] {0x1F, (byte) 0x8B, 8, 0, 0, 0, 0}, "is compressed with gzip"),
        arguments("bzImage", bzImage(), "is a bzImage (boot protocol 2.15)"),
        arguments(
            "header truncated",
            Arrays.copyOf(good(), 40),
            "it has 40 bytes, and an ELF64 header takes 64"),
        arguments("contents truncated", Arrays.copyOf(good(), 0x1000), "is it truncated?"),
        arguments("32-bit", with(4, (byte) 1), "EI_CLASS is 1, and has to be 2"),
        arguments("big-endian", with(5, (byte) 2), "EI_DATA is 2, and has to be 1"),
        arguments("wrong machine", with(18, (byte) 183), "e_machine is 183, and has to be 62"),
        arguments("relocatable", with(16, (byte) 1), "e_type is 1, and has to be 2"),
        arguments("no program headers", with(56, (byte) 0), "e_phnum is 0"),
        arguments(
            "odd program headers", with(54, (byte) 32), "e_phentsize is 32, and has to be 56"),
        arguments("program headers beyond", with64(32, -8), "e_phoff is 0xfffffffffffffff8"),
        arguments(
            "offset beyond",
            with64(FIRST_PHDR + 8, Long.MIN_VALUE),
            "program header 0: p_offset is 0x8000000000000000"),
        arguments("file size huge", with64(FIRST_PHDR + 32, -1), "program header 0: p_offset"),
        arguments(
            "more file than memory",
            with64(FIRST_PHDR + 40, 0x2FFF),
            "p_filesz 0x3000 is more than p_memsz 0x2fff"),
        arguments(
            "memory beyond reason",
            with64(FIRST_PHDR + 40, -1),
            "p_memsz 0xffffffffffffffff would end beyond 1 TiB"),
        arguments(
            "address beyond reason", with64(FIRST_PHDR + 24, -4096), "p_paddr 0xfffffffffffff000"),
        arguments(
            "no notes",
            TestImage.good().notesIn(TestImage.NotesIn.NOWHERE).bytes(),
            "has no Xen notes"),
        arguments(
            "no version",
            TestImage.good().without(5).bytes(),
            "note XEN_VERSION is \"\", and has to be \"xen-3.0\""),
        arguments(
            "wrong version",
            TestImage.good().text(5, "xen-2.0").bytes(),
            "note XEN_VERSION is \"xen-2.0\""),
        arguments(
            "own loader", TestImage.good().text(8, "mine").bytes(), "note LOADER is \"mine\""),
        arguments(
            "hostile text",
            TestImage.good().text(8, "\033[2J\nroot").bytes(),
            "note LOADER is \"?[2J?root\""),
        arguments(
            "impossible feature",
            TestImage.good().text(10, "!auto_translated_physmap|dom0").bytes(),
            "note FEATURES requires \"auto_translated_physmap\""),
        arguments(
            "odd number", TestImage.good().number(3, 0, 3).bytes(), "note VIRT_BASE: descsz is 3"),
        arguments(
            "crooked base", TestImage.good().number(3, 0x800).bytes(), "note VIRT_BASE is 0x800"),
        arguments(
            "crooked p2m", TestImage.good().number(15, 0x8001).bytes(), "note INIT_P2M is 0x8001"),
        arguments(
            "entry outside",
            TestImage.good().entry(0x105000).bytes(),
            "entry point 0x105000 is in no segment"),
        arguments(
            "entry below",
            TestImage.good().number(1, 0xFFFFF).bytes(),
            "entry point 0xfffff is in no segment"),
        arguments(
            "entry between",
            TestImage.good()
                .withLoads(new TestImage.Load(0, 1, 1), new TestImage.Load(0x9000, 1, 1))
                .entry(0x5000)
                .bytes(),
            "entry point 0x5000 is in no segment"),
        arguments(
            "hypercall page outside",
            TestImage.good().number(2, 0x105000).bytes(),
            "note HYPERCALL_PAGE is 0x105000, outside the image"),
        arguments(
            "hypercall page crooked",
            TestImage.good().number(2, 0x101010).bytes(),
            "note HYPERCALL_PAGE is 0x101010"),
        arguments(
            "before frame 0",
            TestImage.good().number(4, 0x200000).bytes(),
            "p_paddr 0x100000 is below PADDR_OFFSET 0x200000"),
        arguments(
            "nothing to load", TestImage.good().withLoads().bytes(), "has no PT_LOAD segment"),
        arguments(
            "overlap",
            TestImage.good()
                .withLoads(
                    new TestImage.Load(0x100000, 16, 0x2001), new TestImage.Load(0x102000, 16, 16))
                .bytes(),
            "program headers 0 and 1 overlap: they take guest memory 0x100000-0x102001 and 0x102000-0x102010"),
        arguments(
            "legacy nonsense",
            TestImage.good().legacy("XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xzz").bytes(),
            "section __xen_guest: VIRT_BASE is \"0xzz\""));
  }

  private static byte[] good() {
    return TestImage.good().bytes();
  }

  private static byte[] with(int offset, byte value) {
    byte[] image = good();
    image[offset] = value;
    return image;
  }

  private static byte[] with64(int offset, long value) {
    byte[] image = good();
    ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN).putLong(offset, value);
    return image;
  }

  private static byte[] bzImage() {
    return ByteBuffer.allocate(1024)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putShort(0, (short) 0x5A4D)
        .putShort(0x1FE, (short) 0xAA55)
        .putInt(0x202, 0x53726448)
        .putShort(0x206, (short) 0x020F)
        .array();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badImages")
  void isRefusedInOneLine(String name, byte[] image, String complaint) {
    BadInputException refused = assertThrows(BadInputException.class, () -> TestImage.read(image));
    String message = refused.getMessage();
    assertTrue(message.startsWith("test.elf: "), message);
    assertTrue(message.contains(complaint), message);
    assertEquals(1, message.lines().count(), message);
  }

  @Test
  void filesThatCannotBeReadAreNamed(@TempDir Path directory) throws Exception {
    Path empty = Files.createFile(directory.resolve("empty"));
    for (var complaint :
        List.of(
            List.of(directory, "is a directory, a file is needed"),
            List.of(directory.resolve("none"), "no such file"),
            List.of(empty, "is empty"))) {
      Path file = (Path) complaint.get(0);
      BadInputException refused =
          assertThrows(BadInputException.class, () -> KernelImage.read(file));
      assertEquals(file + ": " + complaint.get(1), refused.getMessage());
    }
  }
}

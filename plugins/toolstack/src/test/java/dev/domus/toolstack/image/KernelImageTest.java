package dev.domus.toolstack.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.toolstack.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class KernelImageTest {
  @Test
  void whatNoNoteSaysHasTheDefaultsOfTheAbi() throws BadInputException {
    KernelImage image = TestImage.good().read();
    assertEquals(0, image.virtBase());
    assertEquals(0x100000, image.entry());
    assertEquals(OptionalLong.empty(), image.hypercallPage());
    assertEquals(OptionalLong.empty(), image.initP2m());
    assertFalse(image.modStartPfn());
    assertEquals("test", image.guestOs());
  }

  @ParameterizedTest
  @EnumSource(
      value = TestImage.NotesIn.class,
      names = {"SEGMENT", "SECTION"})
  void notesAreFoundInSegmentsAndInSections(TestImage.NotesIn place) throws BadInputException {
    KernelImage image =
        TestImage.good()
            .number(1, 0xFFFFFFFF80100010L)
            .number(2, 0xFFFFFFFF80104000L)
            .number(3, 0xFFFFFFFF80000000L)
            .number(15, 0x8000000000L)
            .number(16, 1, 4)
            .notesIn(place)
            .read();
    assertEquals(0xFFFFFFFF80000000L, image.virtBase());
    assertEquals(0xFFFFFFFF80100010L, image.entry());
    assertEquals(OptionalLong.of(0xFFFFFFFF80104000L), image.hypercallPage());
    assertEquals(OptionalLong.of(0x8000000000L), image.initP2m());
    assertTrue(image.modStartPfn());
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 8})
  void numbersInNotesMayHaveAnyOfFourSizes(int bytes) throws BadInputException {
    assertTrue(TestImage.good().number(16, 1, bytes).read().modStartPfn());
  }

  @Test
  void linuxNeedNotNameItsLoader() throws BadInputException {
    KernelImage image = TestImage.good().text(6, "linux").text(8, "").read();
    assertEquals("linux", image.guestOs());
  }

  @Test
  void theLegacySectionCountsHypercallPagesFromVirtBaseAndPlacesByIt() throws BadInputException {
    KernelImage image =
        TestImage.good()
            .withLoads(new TestImage.Load(0xFFFFFFFF80100000L, 0x1000, 0x3000))
            .legacy(
                "GUEST_OS=old,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xffffffff80000000,VIRT_ENTRY=0xffffffff80100004,HYPERCALL_PAGE=0x101,PAE=yes")
            .read();
    assertEquals(0x100000, image.start());
    assertEquals(0xFFFFFFFF80100004L, image.entry());
    assertEquals(OptionalLong.of(0xFFFFFFFF80101000L), image.hypercallPage());
  }

  @Test
  void segmentsArePlacedByPhysicalAddressLessTheOffset() throws BadInputException {
    KernelImage image =
        TestImage.good()
            .withLoads(
                new TestImage.Load(0x41300000, 10, 0x1234), new TestImage.Load(0x41000000, 10, 20))
            .number(3, 0xFFFFFFFF80000000L)
            .number(4, 0x40000000)
            .number(1, 0xFFFFFFFF81000000L)
            .read();
    assertEquals(0x1000000, image.segments().get(0).gpa());
    assertEquals(0x1300000, image.segments().get(1).gpa());
    assertEquals(0x1000000, image.start());
    assertEquals(0x1302000, image.end());
  }

  @Test
  void adjacentSegmentsWithinAPageAreNoOverlap() throws BadInputException {
    // GRUB's image: 0..0x41E1F0 and its modules right behind.
    KernelImage image =
        TestImage.good()
            .withLoads(new TestImage.Load(0, 100, 0x41E1F0), new TestImage.Load(0x41E1F0, 100, 100))
            .entry(0)
            .read();
    assertEquals(2, image.segments().size());
    assertEquals(0x41F000, image.end());
  }

  @Test
  void askingForTheSymbolTableIsAnsweredWithAWarning() throws BadInputException {
    assertEquals(1, TestImage.good().text(11, "yes").read().warnings().size());
    assertEquals(0, TestImage.good().text(11, "no").read().warnings().size());
  }

  @Test
  void aFileOnDiskIsRead(@TempDir Path directory) throws Exception {
    Path file = Files.write(directory.resolve("kernel"), TestImage.good().bytes());
    try (KernelImage image = KernelImage.read(file)) {
      assertEquals(0x5000, image.segments().getFirst().memorySize());
    }
  }

  @Test
  void grubsXenImageIsUnderstood() throws BadInputException {
    Path grub = Path.of("/usr/lib/grub-xen/grub-x86_64-xen.bin");
    Assumptions.assumeTrue(
        Files.exists(grub), "SKIPPED: no " + grub + "; install Debian's package grub-xen-host");
    try (KernelImage image = KernelImage.read(grub)) {
      assertEquals("GRUB", image.guestOs());
      assertEquals(0, image.virtBase());
      assertEquals(0, image.entry());
      assertEquals(OptionalLong.empty(), image.hypercallPage());
    }
  }
}

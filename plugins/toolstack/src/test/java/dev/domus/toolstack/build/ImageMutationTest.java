package dev.domus.toolstack.build;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.control.DomainSpec;
import dev.domus.toolstack.BadInputException;
import dev.domus.toolstack.image.TestImage;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/**
 * Images with bytes, fields and lengths changed at random are either built or refused with one
 * line; nothing else ever comes out. Rounds that were built are counted, so that the test cannot
 * pass by refusing everything.
 */
class ImageMutationTest {
  private static final int ROUNDS = 6_000;
  private static final long PAGES = 2048;
  private static final long[] NASTY = {
    0,
    1,
    -1,
    0x7FFF,
    0xFFFF,
    0x1000,
    -4096,
    1L << 31,
    1L << 32,
    1L << 40,
    1L << 47,
    Long.MIN_VALUE,
    Long.MAX_VALUE
  };

  private final FakeControl control = new FakeControl(PAGES);
  private final Random random = new Random(20260101);

  @Test
  void noMutationOfAnImageComesToAnythingButADomainOrALine() {
    List<byte[]> originals =
        List.of(
            TestImage.good().number(2, 0x102000).bytes(),
            TestImage.good()
                .number(3, 0xFFFFFFFF80000000L)
                .number(1, 0xFFFFFFFF80100000L)
                .number(15, 0x8000000000L)
                .number(16, 1)
                .bytes(),
            TestImage.good().notesIn(TestImage.NotesIn.SECTION).bytes(),
            TestImage.good()
                .legacy(
                    "XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0x0,ELF_PADDR_OFFSET=0,HYPERCALL_PAGE=0x101")
                .bytes());
    int built = 0;
    for (int round = 0; round < ROUNDS; round++) {
      byte[] image = mutate(originals.get(round % originals.size()));
      built += buildsOrIsRefused(image, "round " + round) ? 1 : 0;
    }
    assertTrue(built > ROUNDS / 20 && built < ROUNDS * 19 / 20, "built: " + built);
  }

  private boolean buildsOrIsRefused(byte[] image, String round) {
    try {
      DomainSpec spec = new DomainSpec(new UUID(1, 2), PAGES, 1, "jvm", "Pool-0", 256, 0, false);
      new DomainBuilder(control, 0, 0).build(TestImage.read(image), Optional.empty(), "", spec);
      return true;
    } catch (BadInputException e) {
      assertEquals(1, e.getMessage().lines().count(), round + ": " + e.getMessage());
      assertTrue(e.getMessage().startsWith("test.elf: "), round + ": " + e.getMessage());
      assertFalse(control.exists, round);
      return false;
    } catch (RuntimeException | Error e) {
      throw new AssertionError(round + " ended in an exception", e);
    } finally {
      assertEquals(0, control.openWindows(), round);
      control.exists = false;
    }
  }

  private byte[] mutate(byte[] original) {
    byte[] image = original.clone();
    int headers = 64 + 3 * 56 + 512; // where the fields are; the contents beyond matter to nobody
    for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
      int at =
          random.nextInt(10) == 0
              ? random.nextInt(image.length)
              : random.nextInt(Math.min(headers, image.length));
      ByteBuffer bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
      long nasty = NASTY[random.nextInt(NASTY.length)];
      switch (random.nextInt(5)) {
        case 0 -> image[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> image[at] = (byte) random.nextInt();
        case 2 -> bytes.putInt(Math.min(at & ~3, image.length - 4), (int) nasty);
        case 3 -> bytes.putLong(Math.min(at & ~7, image.length - 8), nasty);
        default -> {
          if (random.nextInt(4) == 0) {
            return Arrays.copyOf(image, 1 + random.nextInt(image.length));
          }
        }
      }
    }
    return image;
  }
}

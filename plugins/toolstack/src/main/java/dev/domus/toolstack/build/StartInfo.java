package dev.domus.toolstack.build;

import static dev.domus.kernel.abi.StartInfoLayout.*;

import dev.domus.toolstack.BadInputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The contents of a domain's start info page.
 *
 * @param layout where things are
 * @param sharedInfoMfn machine frame of the shared info page
 * @param rings the rings to domain 0's services
 * @param ramdiskBytes exact length of the ramdisk, 0 for none
 * @param commandLine the guest's command line; checked by {@link #requireFits}
 * @param privileged whether the guest is to know that it may control others
 */
record StartInfo(
    GuestLayout layout,
    long sharedInfoMfn,
    Rings rings,
    long ramdiskBytes,
    String commandLine,
    boolean privileged) {
  /**
   * The two rings that every guest has.
   *
   * @param storeMfn machine frame of the xenstore ring
   * @param storePort its port
   * @param consoleMfn machine frame of the console ring
   * @param consolePort its port
   */
  record Rings(long storeMfn, int storePort, long consoleMfn, int consolePort) {}

  /** Refuses a command line that does not fit into its field. */
  static void requireFits(String commandLine) throws BadInputException {
    int bytes = commandLine.getBytes(StandardCharsets.UTF_8).length;
    if (bytes >= CMD_LINE_SIZE) {
      throw new BadInputException(
          "--cmdline: has "
              + bytes
              + " bytes, and start info has room for "
              + (CMD_LINE_SIZE - 1)
              + ": shorten it");
    }
  }

  byte[] contents() {
    ByteBuffer page = ByteBuffer.allocate(PageRange.PAGE_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    page.put(MAGIC, MAGIC_64.getBytes(StandardCharsets.US_ASCII));
    page.putLong(NR_PAGES, layout.pages());
    page.putLong(SHARED_INFO, sharedInfoMfn << PageRange.PAGE_SHIFT);
    page.putLong(STORE_MFN, rings.storeMfn);
    page.putInt(STORE_EVTCHN, rings.storePort);
    page.putLong(CONSOLE_MFN, rings.consoleMfn);
    page.putInt(CONSOLE_EVTCHN, rings.consolePort);
    page.putLong(PT_BASE, layout.va(layout.pageTables().first()));
    page.putLong(NR_PT_FRAMES, layout.pageTables().count());
    page.putLong(MFN_LIST, layout.p2mVa());
    if (ramdiskBytes != 0) {
      page.putLong(
          MOD_START,
          layout.ramdiskMapped() ? layout.va(layout.ramdisk().first()) : layout.ramdisk().first());
      page.putLong(MOD_LEN, ramdiskBytes);
    }
    boolean byFrameNumber = ramdiskBytes != 0 && !layout.ramdiskMapped();
    page.putInt(FLAGS, (byFrameNumber ? SIF_MOD_START_PFN : 0) | (privileged ? SIF_PRIVILEGED : 0));
    page.put(CMD_LINE, commandLine.getBytes(StandardCharsets.UTF_8));
    layout
        .p2mFrames()
        .ifPresent(frames -> {
          page.putLong(FIRST_P2M_PFN, frames.first());
          page.putLong(NR_P2M_FRAMES, frames.count());
        });
    return page.array();
  }
}

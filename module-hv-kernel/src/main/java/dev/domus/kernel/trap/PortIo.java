package dev.domus.kernel.trap;

import dev.domus.kernel.io.DomainIo;
import dev.domus.kernel.time.Clock;

/**
 * The I/O ports of a domain (xen-pv-abi.md, 9.6). Those that it has the right to and that a device
 * has claimed are the device's. Elsewhere nothing is there, so reads give ones and writes are
 * dropped, but for the counter that kernels calibrate themselves with (channel 2 of the interval
 * timer, gated by port 0x61) and the latches of the PCI address and the clock's index, which they
 * write and read back.
 */
final class PortIo {
  private static final int PIT_CHANNEL_2 = 0x42, PIT_CONTROL = 0x43, SPEAKER = 0x61;
  private static final int RTC_INDEX = 0x70, RTC_INDEX_BITS = 0x7F;

  private static final int PCI_ADDRESS = 0xCF8;
  private static final long PIT_HZ = 1_193_182;
  private static final int SELECT_CHANNEL_2 = 2;
  private static final int SPEAKER_OUTPUT = 0x20, SPEAKER_WRITABLE = 0x03;

  private final Clock clock;
  private final DomainIo devices;
  private int speaker;
  private int pciAddress;
  private int rtcIndex;
  private int reload = 0x10000;
  private long loadedAt;
  private boolean highByteNext;
  private int lowByte;

  PortIo(Clock clock, DomainIo devices) {
    this.clock = clock;
    this.devices = devices;
  }

  int read(int port, int bytes) {
    if (devices.answersPorts(port, bytes)) {
      return devices.in(port, bytes);
    }
    if (port == PCI_ADDRESS && bytes == 4) {
      return pciAddress;
    }
    if (bytes == 1 && port == SPEAKER) {
      return speaker | (elapsedTicks() >= reload ? SPEAKER_OUTPUT : 0);
    }
    if (bytes == 1 && port == RTC_INDEX) {
      return rtcIndex;
    }
    if (bytes == 1 && port == PIT_CHANNEL_2) {
      int count = (int) Math.floorMod(reload - elapsedTicks(), 0x10000L);
      highByteNext = !highByteNext;
      return (highByteNext ? count : count >>> 8) & 0xFF;
    }
    return -1;
  }

  void write(int port, int bytes, int value) {
    if (devices.answersPorts(port, bytes)) {
      devices.out(port, bytes, value);
    } else if (port == PCI_ADDRESS && bytes == 4) {
      pciAddress = value;
    } else if (bytes == 1 && port == RTC_INDEX) {
      rtcIndex = value & RTC_INDEX_BITS;
    } else if (bytes == 1 && port == SPEAKER) {
      speaker = value & SPEAKER_WRITABLE;
    } else if (bytes == 1 && port == PIT_CONTROL && (value >>> 6 & 3) == SELECT_CHANNEL_2) {
      highByteNext = false;
    } else if (bytes == 1 && port == PIT_CHANNEL_2) {
      writeCounter(value & 0xFF);
    }
  }

  private void writeCounter(int b) {
    if (highByteNext) {
      int count = b << 8 | lowByte;
      reload = count == 0 ? 0x10000 : count;
      loadedAt = clock.systemNanos();
    } else {
      lowByte = b;
    }
    highByteNext = !highByteNext;
  }

  private long elapsedTicks() {
    return (clock.systemNanos() - loadedAt) * PIT_HZ / 1_000_000_000L;
  }
}

package dev.domus.kernel.hypercall;

import dev.domus.kernel.abi.Errno;
import dev.domus.kernel.domain.Vcpu;
import dev.domus.kernel.trap.VmAssist;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.UUID;

/**
 * xen_version (17). Version numbers are those of the ABI that is spoken, Xen 4.17; the texts say
 * who speaks it. Text buffers are padded with zeros to their full size (XSA-122).
 */
final class XenVersion implements Hypercall {
  private static final Subops SUBOPS =
      Subops.byArgument()
          .done(0, "version")
          .done(1, "extraversion")
          .done(2, "compile_info")
          .done(3, "capabilities")
          .done(4, "changeset")
          .done(5, "platform_parameters")
          .done(6, "get_features")
          .done(7, "pagesize")
          .done(8, "guest_handle")
          .done(9, "commandline")
          .refused(
              10, "build_id", "the hypervisor has none; −EPERM, as for any unprivileged domain");

  private static final int VERSION = 4 << 16 | 17;
  private static final int PAGE_SIZE = 4096;
  private static final long HYPERVISOR_START = 0xFFFF8000_00000000L;

  /**
   * XENFEAT bits of an unprivileged PV guest: preserve_ad, highmem_assist, gnttab_map_avail_bits,
   * vnode, direct map.
   */
  private static final int FEATURES = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 13 | 1 << 17;

  /** XENFEAT bits of a translated domain: auto_translated_physmap, vnode. */
  private static final int TRANSLATED_FEATURES = 1 << 2 | 1 << 13;

  private static final int FEATURE_PAE_PGDIR_ABOVE_4GB = 1 << 4;

  private static final MemorySegment EXTRAVERSION = text(16, ".7-domus");
  private static final MemorySegment COMPILE_INFO = compileInfo();
  private static final MemorySegment CAPABILITIES = text(1024, "xen-3.0-x86_64 ");
  private static final MemorySegment CHANGESET = text(64, "unavailable");
  private static final MemorySegment DENIED = text(9, "<denied>");

  @Override
  public Subops subops() {
    return SUBOPS;
  }

  @Override
  public long call(Vcpu v, long command, long arg, long a3, long a4, long a5) {
    return switch ((int) command) {
      case 0 -> VERSION;
      case 1 -> put(v, arg, EXTRAVERSION);
      case 2 -> put(v, arg, COMPILE_INFO);
      case 3 -> put(v, arg, CAPABILITIES);
      case 4 -> put(v, arg, CHANGESET);
      case 5 -> {
        v.guest().putLong(arg, HYPERVISOR_START);
        yield 0;
      }
      case 6 -> features(v, arg);
      case 7 -> arg == 0 ? PAGE_SIZE : -Errno.EINVAL;
      case 8 -> handle(v, arg);
      case 9 -> put(v, arg, DENIED); // this text and no more of the 1024 bytes
      case 10 -> -Errno.EPERM;
      default -> -Errno.ENOSYS;
    };
  }

  private static long features(Vcpu v, long arg) {
    if (v.guest().getInt(arg) != 0) {
      return -Errno.EINVAL;
    }
    if (v.domain().physmap().isPresent()) {
      v.guest().putInt(arg + 4, TRANSLATED_FEATURES);
      return 0;
    }
    int pae = v.domain().assist(VmAssist.PAE_EXTENDED_CR3) ? FEATURE_PAE_PGDIR_ABOVE_4GB : 0;
    v.guest().putInt(arg + 4, FEATURES | pae);
    return 0;
  }

  private static long handle(Vcpu v, long arg) {
    UUID uuid = v.domain().handle();
    v.guest().requireWritable(arg, 16);
    v.guest().putLong(arg, Long.reverseBytes(uuid.getMostSignificantBits()));
    v.guest().putLong(arg + 8, Long.reverseBytes(uuid.getLeastSignificantBits()));
    return 0;
  }

  private static long put(Vcpu v, long arg, MemorySegment text) {
    v.guest().write(arg, text, 0, (int) text.byteSize());
    return 0;
  }

  private static MemorySegment text(int size, String value) {
    MemorySegment text = Arena.global().allocate(size);
    text.setString(0, value);
    return text;
  }

  private static MemorySegment compileInfo() {
    MemorySegment info = Arena.global().allocate(64 + 16 + 32 + 32);
    info.setString(0, "javac " + Runtime.version().feature());
    info.setString(64, "domus");
    info.setString(64 + 16, "domus.dev");
    info.set(ValueLayout.JAVA_BYTE, 64 + 16 + 32, (byte) 0);
    return info;
  }
}

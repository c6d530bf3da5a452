package dev.domus.kernel.grant;

import static dev.domus.kernel.abi.GrantEntryLayout.FLAGS_AND_DOMID;
import static dev.domus.kernel.abi.GrantEntryLayout.FRAME;
import static dev.domus.kernel.abi.GrantEntryLayout.PERMIT_ACCESS;
import static dev.domus.kernel.abi.GrantEntryLayout.PER_FRAME;
import static dev.domus.kernel.abi.GrantEntryLayout.READONLY;
import static dev.domus.kernel.abi.GrantEntryLayout.SIZE;
import static dev.domus.kernel.abi.GrantEntryLayout.SUB_PAGE;
import static dev.domus.kernel.abi.GrantEntryLayout.TYPE_MASK;

import dev.domus.kernel.abi.GrantStatus;
import java.lang.foreign.MemorySegment;

/**
 * Entries of version 1. Flags of use stand in the entry itself, so permission is checked and use is
 * marked by one compare-and-set.
 */
final class SharedEntriesV1 extends SharedEntries {
  SharedEntriesV1(MemorySegment memory, long[] frames) {
    super(memory, 1, PER_FRAME, Integer.numberOfTrailingZeros(SIZE), frames);
  }

  @Override
  void clearEntry(int ref) {
    LONG.setVolatile(memory, address(ref), 0L);
  }

  @Override
  void permit(int ref, int flagsAndDomid, long mfn, int useFlags) {
    setGranted(ref, mfn);
    INT.setVolatile(memory, address(ref) + FLAGS_AND_DOMID, flagsAndDomid | useFlags);
  }

  @Override
  int claim(int ref, ActiveGrant grant, int grantee, boolean writable, Use use) {
    long at = address(ref) + FLAGS_AND_DOMID;
    for (int attempt = 0; attempt < MAX_RETRIES; attempt++) {
      int word = (int) INT.getVolatile(memory, at);
      if ((word & (TYPE_MASK | SUB_PAGE)) != PERMIT_ACCESS
          || word >>> 16 != grantee
          || writable && (word & READONLY) != 0) {
        return GrantStatus.GENERAL_ERROR;
      }
      if (INT.compareAndSet(memory, at, word, word | useFlags(writable))) {
        if (!grant.inUse()) {
          grant.grantsFrame(granted(ref));
        }
        return GrantStatus.OKAY;
      }
    }
    return GrantStatus.GENERAL_ERROR;
  }

  @Override
  void clear(int ref, int useFlags) {
    INT.getAndBitwiseAnd(memory, address(ref) + FLAGS_AND_DOMID, ~useFlags);
  }

  @Override
  long granted(int ref) {
    return (int) INT.getVolatile(memory, address(ref) + FRAME) & 0xFFFF_FFFFL;
  }

  @Override
  void setGranted(int ref, long mfn) {
    INT.setVolatile(memory, address(ref) + FRAME, (int) mfn);
  }

  @Override
  void swap(int a, int b) {
    long entry = (long) LONG.getVolatile(memory, address(a));
    LONG.setVolatile(memory, address(a), (long) LONG.getVolatile(memory, address(b)));
    LONG.setVolatile(memory, address(b), entry);
  }
}

package dev.domus.memory;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.StructLayout;
import java.lang.invoke.VarHandle;

/**
 * The frame table's entry: 32 bytes, so two share a cache line and none straddles one.
 *
 * <pre>
 *      63            48 47 46 45 44   40 39 38       32 31                             0
 *     +----------------+--+--+--+-------+--+-----------+--------------------------------+
 *  0  | owner ^ 0x7FF4 |AL|DI|SP| free  |CO|     0     |        references              |  use
 *     +----------------+--+--+--+-------+--------------+--------------------------------+
 *      63   60 59 58 57 56           41              32 31                             0
 *     +-------+--+--+--+--+----------+-----------------+--------------------------------+
 *  8  | type  |PI|VA|BU|PA|    0     |    progress     |        type references         |  type
 *     +-------+--+--+--+--+----------+-----------------+--------------------------------+
 * 16  |     TLB stamp (unsigned)                       |  linear count (signed)         |
 *     +------------------------------------------------+--------------------------------+
 * 24  |     previous of a free list                    |  next of a free list           |
 *     +------------------------------------------------+--------------------------------+
 * </pre>
 *
 * <p>AL allocated · DI dirty: holds what an earlier owner wrote · SP special: made by the
 * hypervisor for its owner · free: order + 1 if the frame heads a free block · CO committed: in a
 * free frame, the host may have memory behind it · PI pinned · VA validated · BU busy: being
 * validated or devalidated · PA partial: validated up to progress entries. An entry of zeros is a
 * free, clean frame of nobody that heads no block, so a fresh table needs no initialization.
 */
final class FrameTableLayout {
  static final StructLayout ENTRY =
      MemoryLayout.structLayout(
          JAVA_LONG.withName("use"),
          JAVA_LONG.withName("type"),
          JAVA_INT.withName("linearCount"),
          JAVA_INT.withName("tlbStamp"),
          JAVA_INT.withName("next"),
          JAVA_INT.withName("previous"));

  static final int ENTRY_SHIFT = 5;

  static final VarHandle LONG = JAVA_LONG.varHandle();
  static final VarHandle INT = JAVA_INT.varHandle();

  static final long USE = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("use"));
  static final long TYPE = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("type"));
  static final long LINEAR = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("linearCount"));
  static final long STAMP = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("tlbStamp"));
  static final long NEXT = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("next"));
  static final long PREVIOUS = ENTRY.byteOffset(MemoryLayout.PathElement.groupElement("previous"));

  /** Both words: the reference counts. */
  static final long COUNT = 0xFFFF_FFFFL;

  static final int OWNER_SHIFT = 48;
  static final long ALLOCATED = 1L << 47;
  static final long DIRTY = 1L << 46;
  static final long SPECIAL = 1L << 45;
  static final int FREE_SHIFT = 40;
  static final long FREE = 0x1FL << FREE_SHIFT;

  static final long COMMITTED = 1L << 39;

  static final int TYPE_SHIFT = 60;
  static final long PINNED = 1L << 59;
  static final long VALIDATED = 1L << 58;
  static final long BUSY = 1L << 57;
  static final long PARTIAL = 1L << 56;
  static final int PROGRESS_SHIFT = 32;
  static final long PROGRESS = 0x3FFL << PROGRESS_SHIFT;

  private FrameTableLayout() {}

  static long at(long mfn) {
    return mfn << ENTRY_SHIFT;
  }
}
